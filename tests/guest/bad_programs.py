"""Run in a guest without a compiler: oomtrace with programs and types that are not as they should be.

Prints a JSON object: for each case, the exit status and what was said.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, os.getcwd())
from oomtrace.programs import prebuilt
from oomtrace.programs.image import Image, Program

SHIPPED = Path("oomtrace") / prebuilt.NAME
BTF = Path("/sys/kernel/btf/vmlinux")
# A call of a helper that no kernel has.
REFUSED = bytes([0x85, 0, 0, 0, 0xFF, 0xFF, 0, 0]) + bytes([0x95, 0, 0, 0, 0, 0, 0, 0])


TRACE = ("--verbose", "--timeout", "0.1")


def start(*arguments, **environment):
    """Start a trace, or another command, that learns all anew."""
    command = ["oomtrace", *(arguments or TRACE)]
    full = {**os.environ, "OOMTRACE_CACHE": "/nonexistent/none", **environment}
    done = subprocess.run(command, env=full, capture_output=True, text=True, check=False)
    return {"status": done.returncode, "said": done.stderr, "printed": done.stdout}


def with_refused(name):
    """The shipped programs, one of which the verifier refuses."""
    image = prebuilt.load()
    programs = tuple(
        Program(name, REFUSED, {}, {}) if program.name == name else program for program in image.programs)
    return prebuilt.dump(Image(image.maps, programs, image.asked), "made for a test")


def main():
    good, types = SHIPPED.read_text(), BTF.read_bytes()
    cases = {}
    try:
        for case, text, arguments in (
            ("damaged", good[: len(good) // 2], ()),
            ("foreign", good.replace('"format": ', '"format": 9', 1), ()),
            ("optional refused", with_refused("show_stack"), ()),
            ("necessary refused", with_refused("oom_kill_process"), ()),
            ("part refused", with_refused("send_task"), ()),
            ("optional part refused", with_refused("send_python"), ("--stacks", "on", *TRACE)),
            ("optional part refused: check", with_refused("send_python"), ("check",)),
            ("trampoline refused", with_refused("charge_every_direct"), ("--charges", "every", *TRACE)),
        ):
            SHIPPED.write_text(text)
            cases[case] = start(*arguments)
    finally:
        SHIPPED.write_text(good)
    for case, data in {"types cut": types[: len(types) // 2], "types longer": types + bytes(1 << 16)}.items():
        Path("/tmp/types").write_bytes(data)
        cases[case] = start(OOMTRACE_BTF="/tmp/types")
    json.dump(cases, sys.stdout)


main()

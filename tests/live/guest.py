"""Trace a command in a guest, and set the two reports side by side: ours and the kernel's own."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vm import boot, matrix
from vm.spec import RunSpec

FOLDER = "/tmp/out"
MEMCG_OOM = "python3 tests/guest/memcg_oom.py"

# Every kernel of the matrix on cgroup v2; on v1 those that are built with its memory controller.
CASES: tuple[tuple[str, str], ...] = (
    *((kernel.name, "v2") for kernel in matrix.KERNELS),
    *((kernel.name, "v1") for kernel in matrix.KERNELS if kernel.cgroup_v1),
)
# Beside the matrix; two of them are recorded (tests/fixtures/record.py).
ARM64_CASES = (("6.12-arm64", "v2"), ("6.12-16k-arm64", "v2"))
# In the long tests alone.
MORE_CASES: tuple[tuple[str, str], ...] = tuple((kernel.name, "v2") for kernel in matrix.MORE_KERNELS)


@dataclass(frozen=True)
class Traced:
    """What came out of the guest: our text, the kernel's log in /dev/kmsg form, captures by file name, our stderr."""

    ours: bytes
    kmsg: bytes
    captures: tuple[bytes, ...]
    stderr: str


def trace(kernel: str, cgroup: str, command: str, timeout: float = 300, **wanted: Any) -> Traced:
    """Boot (``wanted``: more of RunSpec), trace, run the shell command, and bring the results out."""
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        spec = RunSpec(kernel=kernel, cgroup=cgroup, timeout=timeout, get=[(FOLDER, here / "out")], **wanted)
        result = boot.run(spec, f"sh tests/guest/trace.sh {FOLDER} {command}")
        boot.check(result)
        said = result.stderr.decode("utf-8", "replace")
        assert result.status == 0, said
        out = here / "out"
        captures = tuple(path.read_bytes() for path in sorted((out / "captures").glob("*.oom")))
        return Traced((out / "ours").read_bytes(), (out / "kmsg").read_bytes(), captures, said)


def kernel_lines(kmsg: bytes) -> list[bytes]:
    """The lines of OOM reports in a kernel log of /dev/kmsg records, from "invoked" to "Killed".

    Deliberately not oomtrace's reader: this is the oracle.
    """
    lines: list[bytes] = []
    inside = False
    for record in kmsg.split(b"\n"):
        if record.startswith(b" ") or b";" not in record:
            continue  # a dictionary line of the record before, or the end
        text = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m.group(1), 16)]), record.split(b";", 1)[1])
        inside = inside or b" invoked oom-killer: " in text
        if inside:
            lines += text.split(b"\n")
        if b" Killed process " in b" " + text:
            inside = False
    return lines

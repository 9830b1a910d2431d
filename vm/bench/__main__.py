"""The measurements, each a section of BENCHMARKS.md that can be made anew by itself."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import Callable, Dict, List, Tuple

from .. import matrix
from . import charges, live, logs, path, start

TARGET = Path("BENCHMARKS.md")
HEAD = """\
# Benchmarks

Made by `make bench` (`python3 -m vm.bench`) on a machine of 2 cores without KVM. Each section says what was measured
and how; seconds are comparable within one table alone.
"""
IN_GUESTS: Dict[str, Tuple[str, str, Callable[[str], str]]] = {
    "start": ("Start to attached, resident memory", start.ABOUT, start.section),
    "charges": ("Cost of a charge", charges.ABOUT, charges.section),
    "path": ("Cost inside the OOM path; many tasks", path.ABOUT, path.section),
    "live": ("Latency, storms, idle", live.ABOUT, live.section),
}
LOGS = "logs"


def sections(text: str) -> Dict[str, str]:
    """The sections of the file as it is, by their headings."""
    parts = re.split(r"(?m)^## (.*)\n", text)[1:]
    return dict(zip(parts[::2], parts[1::2]))


def _measured(names: List[str], kernels: List[str]) -> Dict[str, str]:
    found = {}
    for name in names:
        date = time.strftime("%Y-%m-%d")
        if name == LOGS:
            found["Reading logs"] = f"\n{logs.ABOUT}\nMeasured {date}.\n\n{logs.section()}\n"
            continue
        title, about, section = IN_GUESTS[name]
        tables = "".join(f"### Kernel {kernel}, {date}\n\n{section(kernel)}\n" for kernel in kernels)
        found[title] = f"\n{about}\n{tables}"
    return found


def main() -> None:
    """Measure, and write what was measured into the file."""
    parser = argparse.ArgumentParser(prog="python3 -m vm.bench")
    parser.add_argument("--kernel", action="append", choices=matrix.names(), help="default: 6.1 and 6.12")
    parser.add_argument("--only", action="append", choices=[*IN_GUESTS, LOGS], help="default: all")
    arguments = parser.parse_args()
    before = sections(TARGET.read_text()) if TARGET.exists() else {}
    kernels = arguments.kernel or ["6.1", "6.12"]
    for name in arguments.only or [*IN_GUESTS, LOGS]:
        before.update(_measured([name], kernels))
        order = [title for title, _, _ in IN_GUESTS.values()] + ["Reading logs"]
        TARGET.write_text(HEAD + "".join(f"\n## {title}\n{before[title].rstrip()}\n"
                                         for title in order if title in before))
        print(before.get(IN_GUESTS[name][0] if name in IN_GUESTS else "Reading logs"))


if __name__ == "__main__":
    main()

"""The measurements, each a section of BENCHMARKS.md that can be made anew by itself."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import Callable, Optional

from .. import matrix
from . import charges, live, logs, near, path, results, signals, stacks, start

TARGET = Path("BENCHMARKS.md")
HEAD = """\
# Benchmarks

Made by `make bench` (`python3 -m vm.bench`) on a machine of 2 cores without KVM. Each section says what was measured
and how; seconds are comparable within one table alone.
"""
IN_GUESTS: dict[str, tuple[str, str, Callable[[str], str]]] = {
    "start": ("Start to attached, resident memory", start.ABOUT, start.section),
    "charges": ("Cost of a charge", charges.ABOUT, charges.section),
    "stacks": ("Cost of stacks", stacks.ABOUT, stacks.section),
    "signals": ("Cost of watching kills", signals.ABOUT, signals.section),
    "near": ("Memcgs that stay at their limit", near.ABOUT, near.section),
    "path": ("Cost inside the OOM path; many tasks", path.ABOUT, path.section),
    "live": ("Latency, storms, idle", live.ABOUT, live.section),
}
LOGS = "logs"
TARGETS = "targets"


def sections(text: str) -> dict[str, str]:
    """The sections of the file as it is, by their headings."""
    parts = re.split(r"(?m)^## (.*)\n", text)[1:]
    return dict(zip(parts[::2], parts[1::2]))


def tables(section: str) -> dict[str, str]:
    """A section's tables by their kernels, headings included."""
    parts = re.split(r"(?m)^(?=### Kernel )", section)[1:]
    return {part.split()[2].rstrip(","): part.rstrip() + "\n" for part in parts}


def _measured(name: str, kernels: list[str], before: str, oomanalyser: Optional[Path]) -> str:
    """A section; the tables of other kernels stay as they were."""
    date = time.strftime("%Y-%m-%d")
    if name == LOGS:
        return f"\n{logs.ABOUT}\nMeasured {date}.\n\n{logs.section(oomanalyser)}\n"
    _, about, section = IN_GUESTS[name]
    found = tables(before)
    found.update({kernel: f"### Kernel {kernel}, {date}\n\n{section(kernel)}" for kernel in kernels})
    return f"\n{about}\n" + "\n".join(found[kernel] for kernel in matrix.names() if kernel in found)


def main() -> None:
    """Measure, and write what was measured into the file."""
    parser = argparse.ArgumentParser(prog="python3 -m vm.bench")
    parser.add_argument("--kernel", action="append", choices=matrix.names(), help="default: 6.1 and 6.12")
    parser.add_argument("--only", action="append", choices=[*IN_GUESTS, LOGS, TARGETS],
                        help=f"default: all; {TARGETS}: measure nothing, make the table of targets anew")
    parser.add_argument("--oomanalyser", type=Path, metavar="OOMAnalyser.py", help="measure its parser, too")
    arguments = parser.parse_args()
    titles = {name: title for name, (title, _, _) in IN_GUESTS.items()}
    titles[LOGS] = "Reading logs"
    for name in arguments.only or titles:
        if name == TARGETS:
            _write(_written())
            continue
        title = titles[name]
        made = _measured(name, arguments.kernel or ["6.1", "6.12"], _written().get(title, ""), arguments.oomanalyser)
        print(made)
        _write({**_written(), title: made})  # anew: another section may have been written meanwhile


def _write(written: dict[str, str]) -> None:
    titles = [*(title for title, _, _ in IN_GUESTS.values()), "Reading logs"]
    body = "".join(f"\n## {title}\n{written[title].rstrip()}\n" for title in titles if title in written)
    TARGET.write_text(HEAD + results.section(body) + body)


def _written() -> dict[str, str]:
    return sections(TARGET.read_text()) if TARGET.exists() else {}


if __name__ == "__main__":
    main()

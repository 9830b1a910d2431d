"""The kernel's reports against ours, line by line. Nothing is masked: what differs is counted and named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from . import kernellog
from .kernellog import Report

PREFIX = re.compile(r"\[ *\d+\.\d{6}\] ")
_NUMBER = re.compile(r"0x[0-9a-f]+|(?<![A-Za-z_])-?\d+|\b[0-9a-f]{16}\b")


@dataclass
class Differing:
    """A line with the same words and other numbers."""

    kernel: str
    ours: str

    @property
    def by(self) -> str:
        """Which numbers, and by how much: ``free 5 → 6``."""
        pairs = zip(_NUMBER.finditer(self.kernel), _NUMBER.finditer(self.ours))
        return ", ".join(f"{_name_before(a)} {a[0]} → {b[0]}" for a, b in pairs if a[0] != b[0])


@dataclass
class Tally:
    """What a comparison counted. ``structural`` are differences in words, order or number of lines."""

    lines: int = 0
    identical: int = 0
    ours_alone: int = 0  # lines that the kernel was kept from printing
    differing: list[Differing] = field(default_factory=list)
    structural: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add up."""
        self.lines += other.lines
        self.identical += other.identical
        self.ours_alone += other.ours_alone
        self.differing += other.differing
        self.structural += other.structural


def compare(report: Report, ours: Sequence[str]) -> Tally:
    """One OOM: what the kernel printed against our text, time stamps taken off."""
    kernel = report.lines
    tally = Tally(lines=len(kernel))
    matcher = SequenceMatcher(None, [skeleton(line) for line in kernel], [skeleton(line) for line in ours], False)
    for what, k, k_end, o, o_end in matcher.get_opcodes():
        if what == "equal":
            for theirs, mine in zip(kernel[k:k_end], ours[o:o_end]):
                _pair(tally, theirs, mine)
            continue
        for theirs in kernel[k:k_end]:
            tally.structural.append(f"not in ours: {theirs}")
        for mine in ours[o:o_end]:
            if may_be_ours_alone(report, mine):
                tally.ours_alone += 1
            else:
                tally.structural.append(f"not in the kernel's: {mine}")
    return tally


def _pair(tally: Tally, theirs: str, mine: str) -> None:
    if theirs == mine:
        tally.identical += 1
    elif " ".join(theirs.split()) == " ".join(mine.split()):
        tally.structural.append(f"other blanks: {theirs!r}, ours {mine!r}")
    else:
        tally.differing.append(Differing(theirs, mine))


def skeleton(line: str) -> str:
    """A line without its numbers and the width of its columns."""
    return " ".join(_NUMBER.sub("#", line).replace("[", "[ ").split())


def may_be_ours_alone(report: Report, line: str) -> bool:
    """Whether the kernel was kept from printing a line: by its rate limit all but the kill, by vm.oom_dump_tasks=0 the
    task table."""
    if not report.printed:
        return not kernellog.KILLED.search(line)
    in_table = line.startswith(("Tasks state (memory values in pages):", "[ "))
    return in_table and not report.has_table


def without_prefix(text: str) -> list[str]:
    """The lines of our text, time stamps taken off."""
    return [PREFIX.sub("", line, count=1) for line in text.split("\n") if line]


def _name_before(match: "re.Match[str]") -> str:
    """The word that a number belongs to, for a message."""
    before = re.findall(r"[A-Za-z_()]+", match.string[:match.start()])
    return str(before[-1]) if before else "number"

"""What BENCHMARKS.md says: its tables, and which targets are met. Pages and its section of targets are made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .guest import table
from .live import LEAST_RATIO, MOST_RATIO

TITLE = "Targets"
_MET = ("yes", "scatter", "**no**")
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
_ABOUT = """\
Made from the tables below, which say what each target is about. "Scatter": it is missed by less than the measurements
scatter by.
"""


class Row(dict[str, str]):
    """A row of a table, by the column's head."""

    def number(self, head: str, which: int = 0) -> float:
        """A number in a field: the first, or the ``which``-th after it."""
        return float(_NUMBER.findall(self[head])[which].replace(",", ""))


@dataclass(frozen=True)
class Measured:
    """The tables of BENCHMARKS.md."""

    text: str

    def part(self, section: str, kernel: str = "") -> str:
        """A section's text, or that of a kernel in it; "" if it was not measured."""
        found = re.search(rf"(?ms)^## {re.escape(section)}\n(.*?)(?=^## |\Z)", self.text)
        inner = found[1] if found else ""
        if not kernel:
            return inner
        own = re.search(rf"(?ms)^### Kernel {re.escape(kernel)}, [^\n]*\n(.*?)(?=^### |\Z)", inner)
        return own[1] if own else ""

    def rows(self, section: str, kernel: str = "") -> dict[str, Row]:
        """The rows of all its tables, by the first field. Of rows with the same one, the first."""
        found: dict[str, Row] = {}
        heads: list[str] = []
        lines = self.part(section, kernel).splitlines()
        for line, after in zip(lines, [*lines[1:], ""]):
            fields = line[1:-1].split("|") if line.startswith("|") else []
            if after.startswith("|---"):
                heads = fields
            elif fields and not line.startswith("|---"):
                found.setdefault(fields[0], Row(zip(heads, fields)))
        return found


@dataclass(frozen=True)
class Target:
    """One target on one kernel: what was measured, ± what it scatters by."""

    section: str
    what: str
    kernel: str
    measured: str
    value: float
    limit: float
    scatter: float = 0.0
    at_least: bool = False

    @property
    def met(self) -> str:
        """yes, no, or missed by less than it scatters by."""
        over = self.limit - self.value if self.at_least else self.value - self.limit
        return _MET[0 if over <= 0 else 1 if over <= self.scatter else 2]


def targets(measured: Measured) -> Iterator[Target]:
    """All targets, on each kernel that was measured."""
    for kernel in ("6.1", "6.12"):
        for section, judge in _JUDGES.items():
            if measured.part(section, kernel):
                for what, shown, value, limit, scatter in judge(measured.rows(section, kernel),
                                                                measured.part(section, kernel)):
                    yield Target(section, what, kernel, shown, value, limit, scatter)
    logs = measured.rows("Reading logs")
    for name, least in _LOGS.items():
        if name in logs:
            rate = logs[name].number("rate")
            yield Target("Reading logs", f"{name}: at least {least}", "", logs[name]["rate"], rate, least, 0, True)


def section(text: str) -> str:
    """The section of targets, of the file's text: a row a target."""
    found: dict[tuple[str, str], list[Target]] = {}
    for one in targets(Measured(text)):
        found.setdefault((one.section, one.what), []).append(one)
    rows = []
    for title, what in sorted(found, key=lambda key: _SECTIONS.index(key[0])):
        own = found[title, what]
        results = "; ".join(f"{one.kernel}: {one.measured}" if one.kernel else one.measured for one in own)
        met = sorted({one.met for one in own}, key=_MET.index)[-1]
        rows.append([title, what, results, met if len(own) == 1 or met == "yes" else
                     ", ".join(f"{one.kernel} {one.met}" for one in own)])
    return f"\n## {TITLE}\n\n{_ABOUT}\n{table('what|target|result|met', rows)}"


_Judged = Iterator[tuple[str, str, float, float, float]]  # the target, the result in words, its value, limit, scatter


def _start(rows: dict[str, Row], text: str) -> _Judged:
    ours, one_file, stock = rows["oomtrace"], rows["oomtrace.pyz"], rows["oomkill-bpfcc"]
    first, later = "× bpftrace's first", "× bpftrace"
    share = ours.number("later, s") / stock.number("later, s")
    yield "first start, at most 1.0 × bpftrace's", f"{ours[first]} ×", ours.number(first), 1.0, 0
    yield "first start of oomtrace.pyz, at most 1.1 ×", f"{one_file[first]} ×", one_file.number(first), 1.1, 0
    yield "later start, at most 0.8 × bpftrace's", f"{ours[later]} ×", ours.number(later), 0.8, 0
    yield "later start, at most 1/8 of oomkill-bpfcc's", f"1/{1 / share:.0f}", share, 1 / 8, 0
    yield "peak, at most 60 MB", f"{ours['peak, MB']} MB", ours.number("peak, MB"), 60, 0
    yield "resident, at most 50 MB", f"{ours['resident, MB']} MB", ours.number("resident, MB"), 50, 0


def _most(rows: dict[str, Row], mode: str) -> tuple[str, float, float]:
    """The work that costs most in a mode: in words, in percent, and what that scatters by."""
    work, row = max(rows.items(), key=lambda item: item[1].number(mode))
    return f"{row[mode]} ({work})", row.number(mode), row.number(mode, 1)


def _charges(rows: dict[str, Row], text: str) -> _Judged:
    for what, mode, limit in (("`batch`, at most +0.3 %", "batch", 0.3), ("`every`, at most +5 %", "every", 5.0),
                              ("`off`, not measurable", "off", 0.0)):
        shown, value, scatter = _most(rows, mode)
        yield what, shown, value, limit, scatter


def _stacks(rows: dict[str, Row], text: str) -> _Judged:
    for what, mode, limit in (("`off`, at most +0.2 %", "off", 0.2), ("`on`, at most +1.0 %", "on", 1.0)):
        shown, value, scatter = _most(rows, mode)
        yield what, shown, value, limit, scatter
    memory, seconds = re.search(r"Memory: ([\d.]+) MiB", text), re.search(r"1,000 stacks: ([\d.]+) s", text)
    if memory and seconds:
        yield "memory, at most 16 MiB", f"{memory[1]} MiB", float(memory[1]), 16, 0
        yield "1,000 stacks, at most 2 s", f"{seconds[1]} s", float(seconds[1]), 2, 0


def _signals(rows: dict[str, Row], text: str) -> _Judged:
    head, faults = "near at 1,000 a second", "page faults, 4 KiB"
    work, most = max(((work, row) for work, row in rows.items() if row[head]), key=lambda item: item[1].number(head))
    yield "below 0.1 % of a CPU", f"{most[head].partition(' (')[0]} ({work})", most.number(head), 0.1, 0
    yield ("not measurable on page faults", rows[faults]["near"], rows[faults].number("near"), 0,
           rows[faults].number("near", 1))


def _near(rows: dict[str, Row], text: str) -> _Judged:
    (row,) = rows.values()
    yield "at most 0.1 % of a real CPU", row["on a real CPU"], row.number("on a real CPU"), 0.1, 0
    yield "locked memory, at most 4 MiB", row["locked"], row.number("locked"), 4, 0


def _path(rows: dict[str, Row], text: str) -> _Judged:
    share, tasks = max((row.number("tracing adds") / row.number("the kernel's report costs"), tasks)
                       for tasks, row in rows.items())
    yield "adds at most what the kernel's report costs", f"{share:.3f} × ({tasks} tasks)", share, 1, 0


def _live(rows: dict[str, Row], text: str) -> _Judged:
    latency = re.search(r"ms: ([\d.]+) ×", text)
    if latency:
        shown = f"{latency[1]} ×, up to {MOST_RATIO} × in some runs"
        most, scatter = max(float(latency[1]), MOST_RATIO), MOST_RATIO - LEAST_RATIO
        yield "latency, at most 2 × `dmesg -w`", shown, most, 2, scatter
    storms = re.findall(r"^\|\d+\|(\d+)\|\d+\|`oomtrace: (\d+) OOMs(.*)`\|", text, re.MULTILINE)
    kept = sum(kills == told and not more for kills, told, more in storms)
    yield "storms, none lost", f"{kept} of {len(storms)} storms", len(storms) - kept, 0, 0
    ours, theirs = rows["oomtrace"], rows["oomkill-bpfcc"]
    yield ("idle, at most the wake-ups of oomkill-bpfcc", f"{ours['wake-ups']} and {theirs['wake-ups']}",
           ours.number("wake-ups"), theirs.number("wake-ups"), 0)


_JUDGES = {
    "Start to attached, resident memory": _start,
    "Cost of a charge": _charges,
    "Cost of stacks": _stacks,
    "Cost of watching kills": _signals,
    "Memcgs that stay at their limit": _near,
    "Cost inside the OOM path; many tasks": _path,
    "Latency, storms, idle": _live,
}
_LOGS = {
    "1 GiB without an OOM": 400,
    "1,000 reports, `kernel`": 50,
    "1,000 reports, `why`": 45,
    "1,000 reports, `jsonl`": 40,
}
_SECTIONS = [*_JUDGES, "Reading logs"]

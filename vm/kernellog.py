"""Records of /dev/kmsg → OOM reports, each the list of its lines. Knows the few lines that begin and end one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Optional

MARK = re.compile(r"oomtrace repro: (\S+)$")
INVOKED = re.compile(r"invoked oom-killer: ")
KILLED = re.compile(r"Killed process (\d+) \(")
REAPER = re.compile(r"oom_reaper: (?:reaped process (\d+) |unable to reap pid:(\d+))")
BEFORE = re.compile(r"oom_kill_process: \d+ callbacks suppressed$|sysrq: (?:SysRq : )?Manual OOM execution$")
"""What belongs to the report that comes next."""
NO_VICTIM = "Out of memory and no killable processes..."
GROUP = re.compile(r"Tasks in .* are going to be killed due to memory\.oom\.group set$")
ALREADY_EXITING = re.compile(r"OOM victim \d+ \(.*\) is already exiting\. Skip killing the task$")
TABLE_HEADER = re.compile(r"\[ *pid *\]")
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


@dataclass
class Report:
    """What the kernel printed for one OOM. ``printed`` is False where its rate limit let only the kill through."""

    scenario: str
    lines: list[str] = field(default_factory=list)
    printed: bool = True

    @property
    def key(self) -> str:
        """What tells it from others: the first process killed, or who invoked it where nobody was."""
        return key(self.lines)

    @property
    def has_table(self) -> bool:
        """Whether the kernel printed the task table (vm.oom_dump_tasks)."""
        return any(TABLE_HEADER.match(line) for line in self.lines)

    @property
    def is_memcg(self) -> bool:
        """Whether it is a memory cgroup's."""
        return is_memcg(self.lines)


def key(lines: Iterable[str]) -> str:
    """The same key for the kernel's report and for ours."""
    first = ""
    for line in lines:
        killed = KILLED.search(line)
        if killed:
            return f"killed {killed[1]}"
        if INVOKED.search(line) and not first:
            first = line
    return first


def is_memcg(lines: Iterable[str]) -> bool:
    """Whether a report is a memory cgroup's: its kill or its counters say so."""
    return any(line.startswith(("Memory cgroup out of memory", "memory: usage ")) for line in lines)


def texts(records: Iterable[str]) -> Iterator[str]:
    """The lines of records, unescaped; a record may hold several."""
    for record in records:
        _, _, text = record.split("\n", 1)[0].partition(";")
        raw = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text).encode("latin-1", "replace")
        yield from raw.decode("utf-8", "surrogateescape").split("\n")


def by_scenario(records: Iterable[str]) -> dict[str, list[str]]:
    """The records, by the scenario that was on."""
    found: dict[str, list[str]] = {}
    name = ""
    for record in records:
        mark = next((match for match in map(MARK.match, texts([record])) if match), None)
        name = mark[1] if mark else name
        found.setdefault(name, []).append(record)
    return found


def reports(records: Iterable[str]) -> list[Report]:
    """All reports of a log, each with the scenario in which it began."""
    state = _State()
    for text in texts(records):
        state.take(text)
    return state.found


class _State:
    """The log so far."""

    def __init__(self) -> None:
        self.found: list[Report] = []
        self._open: Optional[Report] = None  # until its kill
        self._killed: Optional[Report] = None  # after its kill: a group's other kills may follow
        self._by_pid: dict[str, Report] = {}
        self._scenario = ""
        self._before: list[str] = []

    def take(self, text: str) -> None:
        """The next line."""
        mark, killed, reaper = MARK.match(text), KILLED.search(text), REAPER.match(text)
        if mark:
            self._scenario, self._open, self._killed, self._before = mark[1], None, None, []
        elif BEFORE.match(text):
            self._before.append(text)
        elif INVOKED.search(text):
            self._begin(text, True)
        elif killed:
            self._kill(text, killed[1])
        elif reaper:
            report = self._by_pid.get(reaper[1] or reaper[2])
            if report:
                report.lines.append(text)
        elif self._killed and GROUP.match(text):
            self._killed.lines.append(text)
            self._group = True
        elif self._open:
            self._open.lines.append(text)
            if text == NO_VICTIM or ALREADY_EXITING.search(text):
                self._open = None

    def _begin(self, text: str, printed: bool) -> None:
        self._open = Report(self._scenario, [*self._before, text], printed)
        self._before, self._killed, self._group = [], None, False
        self.found.append(self._open)

    def _kill(self, text: str, pid: str) -> None:
        if self._open:
            self._open.lines.append(text)
        elif self._killed and self._group:
            self._killed.lines.append(text)
        else:
            self._begin(text, False)
        self._killed = self._open or self._killed
        self._open = None
        assert self._killed is not None
        self._by_pid[pid] = self._killed

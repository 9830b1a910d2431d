"""What the parts of a page are made from: the event, what is said of it, and the lines of its report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from oomtrace.model import Kill, OomEvent
from oomtrace.page.lines import ReportLines
from oomtrace.why import Explanation, Process, look
from oomtrace.why.phrasebook import template


@dataclass(frozen=True)
class PageCase:
    """One event."""

    event: OomEvent
    found: Explanation
    lines: ReportLines

    @property
    def page_kb(self) -> int:
        return look.page_kb(self.event)

    @property
    def victim(self) -> Optional[Kill]:
        return self.event.report.victim

    @property
    def is_memcg(self) -> bool:
        return look.scope(self.event) == "memcg"

    def look_of(self, pid: Optional[int]) -> str:
        """How a process is drawn everywhere: the killed one stands out."""
        return "victim" if pid is not None and pid in {kill.pid for kill in self.event.report.kills} else "task"


def who(pid: Optional[int], comm: Optional[str]) -> str:
    """ "python (1399)", as the sentences have it."""
    return template.who(Process(pid, comm))

"""Other troubles of the kernel that it tells amid a report: a lockup, an oops. Their traces may pass through the OOM
killer, but are no OOM's."""

from __future__ import annotations

import re
from collections.abc import Sequence

from oomtrace.formats import KINDS

from .join import Logical
from .match import readings
from .report import OpenReport

_BEGINS = re.compile(
    r"(?:watchdog: )?BUG: |INFO: |rcu: INFO|NMI backtrace for|Sending NMI|general protection fault|Oops\b|WARNING: "
    r"|Unable to handle kernel|Internal error: |-+\[ cut here|divide error|invalid opcode|double fault|[Kk]ernel BUG "
    r"|Kernel panic - not syncing: (?!Out of memory|System is deadlocked)|sysrq: Show "
    r"|.{1,60}: page allocation (?:fail|stall)|watchdog: |NMI watchdog: "
)
_FAILURE = re.compile(r".{1,60}: page allocation (?:fail|stall)")
_TRACE_BEGINS = {"CPU: ": "cpu", "Pid: ": "cpu", "Call Trace:": "call_trace", "Call trace:": "call_trace"}
_END = re.compile(r"-+\[ end ")
_SOON = 40  # lines in which the trace begins
_MOST = 300  # lines of it
_TRACE: frozenset[str] = frozenset(["stack"])


class Troubles:
    """Whether a line is of such a trouble."""

    def __init__(self) -> None:
        self._soon = 0  # lines in which a trace of it may begin
        self._left = 0  # lines that can still be of it
        self._parts = _TRACE  # the parts of a report that it prints too

    def has(self, logical: Logical, going: Sequence[OpenReport]) -> bool:
        """Is the line of a trouble? ``going``: the reports that are not over."""
        text = logical.text
        if _BEGINS.match(text):
            self._soon = _SOON
            self._parts = _TRACE | {"meminfo"} if _FAILURE.match(text) else _TRACE
            return False
        if self._left:
            return self._goes_on(text)
        self._soon = max(0, self._soon - 1)
        kind = next((kind for words, kind in _TRACE_BEGINS.items() if text.startswith(words)), None)
        if kind is None:
            return False
        if not (self._soon and not any(report.place.allows(kind) for report in going)):
            if not any(report.asks_again(logical) for report in going):
                return False
            self._parts = _TRACE
        self._left = _MOST
        return True

    def _goes_on(self, text: str) -> bool:
        self._left -= 1
        if _END.match(text):
            self._left = 0
            return True
        reading = next(readings(text), None)
        kind = KINDS[reading.row.kind] if reading is not None else None
        if kind is not None and kind.part not in self._parts and not kind.loose:
            self._left = 0
        return self._left > 0

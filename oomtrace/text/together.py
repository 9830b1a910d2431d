"""What the OOMs of a log tell of one another: which is told twice, which the kernel's rate limit kept short."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from oomtrace.model import OomEvent, Trace, Unprinted

from .copies import Events
from .report import OpenReport

# oom_kill_process(): DEFINE_RATELIMIT_STATE(oom_rs, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST)
_BURST = 10
_INTERVAL_NS = 5_000_000_000


class KillsTogether:
    """The OOMs in the order in which they are over."""

    def __init__(self, told: Events) -> None:
        self._told = told
        self._full: deque[int] = deque(maxlen=_BURST)  # when the last full reports began

    def events(self, reports: Iterable[OpenReport]) -> Iterator[OomEvent]:
        """Those of reports that are over."""
        for report in sorted(reports, key=lambda report: report.at):
            if not report.telling:
                continue
            event = self._limited(report.event())
            if not self._told.is_copy(event, report.source):
                yield event

    def _limited(self, event: OomEvent) -> OomEvent:
        """A bare kill within the interval that began with the first of ten reports is what the limit leaves."""
        begun = next((line.time_ns for line in event.origin.lines if line.time_ns is not None), None)
        report = event.report
        if begun is None:
            return event
        if report.trigger.comm is not None:
            self._full.append(begun)
            return event
        bare = report.kills and report.summary is None and report.tasks is None and report.stack is None
        if not bare or len(self._full) < _BURST or not 0 <= begun - self._full[0] < _INTERVAL_NS:
            return event
        return replace(event, trace=Trace(unprinted_reason=Unprinted.RATE_LIMIT),
                       origin=replace(event.origin, missing=()))

"""One reproduction from beginning to end: staged, recorded, cleaned up, judged."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Optional

from oomtrace.errors import OomtraceError

from . import cgroups, judge
from .journal import UndoJournal
from .recorder import Recorder
from .spec import Scenario
from .stage import Stage

if TYPE_CHECKING:
    from oomtrace.model import OomEvent
    from oomtrace.session.receive import Traced

# How long events that are expected may come after the processes have ended, and those that are not.
LATE_SECONDS = 20.0
SURPLUS_SECONDS = 0.3
BEHIND_SECONDS = 15.0  # of silence, while the kernel has counted more kills than have come: after a storm
BACKLOG_SECONDS = 900.0  # while more and more come, on a slow machine


@dataclass
class Outcome:
    """What came of a scenario. Times are of the monotonic clock, which kernel records are near to."""

    scenario: Scenario
    begin_ns: int
    end_ns: int = 0
    problems: list[str] = field(default_factory=list)
    events: "list[Traced]" = field(default_factory=list)
    lost: Optional[int] = None  # records; None where nothing was traced


def reproduce(scenario: Scenario, hierarchy: cgroups.Hierarchy, recorder: Optional[Recorder]) -> Outcome:
    """Make it happen. Without a recorder nothing is traced, and nothing judged but the processes' ends."""
    first, lost = (len(recorder.events), recorder.lost) if recorder else (0, 0)
    killed = kernel_kills()
    outcome = Outcome(scenario, time.monotonic_ns())
    journal = UndoJournal()
    try:
        stage = Stage(scenario, hierarchy, journal)
        if recorder:
            enough = partial(_enough, scenario, recorder, first)
            outcome.problems += stage.run([recorder.descriptor], lambda: void(recorder.receive()), enough).problems
            recorder.settle(LATE_SECONDS, enough)
        else:
            outcome.problems += stage.run().problems
    except OomtraceError as error:
        outcome.problems.append(error.message)
    finally:
        outcome.problems += journal.close()
    if recorder:
        miscounted = partial(_miscounted, recorder, first, kernel_kills() - killed)
        recorder.drain(BEHIND_SECONDS, BACKLOG_SECONDS, lambda: not miscounted())
        recorder.finish(SURPLUS_SECONDS, BACKLOG_SECONDS)
        outcome.lost = recorder.lost - lost
        outcome.events = recorder.events[first:]
        outcome.problems += judge.disagreements(scenario.expect, _events(recorder, first), outcome.lost)
        outcome.problems += miscounted()
    outcome.end_ns = time.monotonic_ns()
    return outcome


def kernel_kills() -> int:
    """Kills of the OOM killer since boot, by the kernel's own count."""
    with open("/proc/vmstat") as lines:
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def void(_: object) -> None:
    """Make a call one for its effect."""


def _enough(scenario: Scenario, recorder: Recorder, first: int) -> bool:
    return judge.enough(scenario.expect, _events(recorder, first))


def _miscounted(recorder: Recorder, first: int, kernel: int) -> list[str]:
    return judge.miscounted(_events(recorder, first), kernel)


def _events(recorder: Recorder, first: int) -> "list[OomEvent]":
    return [traced.event for traced in recorder.events[first:]]

"""Step 4: which programs the largest processes were, where names of 15 characters do not tell them apart."""

from __future__ import annotations

from oomtrace.model import Identity, OomEvent

from .. import witnessed
from ..case import Case
from ..finding import Process, Reason, Thing
from ..registry import cause

_LISTED = 3


class Commands(Reason):
    LISTED = "listed"


@cause("commands", step=4, place=3, reasons=Commands)
def commands(event: OomEvent, case: Case) -> None:
    """The command lines of the largest, if there is more than the victim's, which is told already."""
    found: dict[int, Identity] = {}
    for seen in witnessed.looks(event):
        for one in seen.tasks:
            if one.cmdline and one.rss_kb:
                found.setdefault(one.pid, one)
    victim = event.report.victim
    others = [one for one in found.values() if victim is None or one.pid != victim.pid]
    others.sort(key=lambda one: -(one.rss_kb or 0))
    told = [Thing("process", witnessed.command(one), one.rss_kb or 0, holders=(Process(one.pid, one.comm),))
            for one in others[:_LISTED]]
    if told:
        case.says(Commands.LISTED, commands=tuple(told))

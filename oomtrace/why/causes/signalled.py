"""Step 2 where somebody else than the OOM killer killed: who was ended, and that it was no OOM."""

from __future__ import annotations

from oomtrace.model import OomEvent

from .. import senders
from ..case import Case
from ..finding import Process, Reason
from ..registry import cause


class Signalled(Reason):
    VICTIM = "victim_of_signal"
    VICTIMS = "victims_of_signal"
    PLACE = "place_of_victim"
    ASKED_BEFORE = "asked_before"
    HAD_HANDLER = "had_handler"
    NO_OOM = "no_oom"


@cause("signalled", step=2, place=11, reasons=Signalled, killed=True)
def signalled(event: OomEvent, case: Case) -> None:
    """Whom a signal ended that the OOM killer had no part in, and whether SIGTERM came before."""
    if event.killed is None or not event.killed.victims:
        return
    victims, first = senders.distinct(event), event.killed.victims[0]
    if len(victims) == 1:
        case.says(Signalled.VICTIM, victim=victims[0], uid=first.uid, held_kb=victims[0].kb,
                  swap_kb=first.swap_kb or None)
    else:
        total = sum(one.kb or 0 for one in victims)
        largest = tuple(sorted(victims, key=lambda one: -(one.kb or 0))[:3])
        case.says(Signalled.VICTIMS, processes=len(victims), held_kb=total, victims=largest)
    places = {victim.memcg for victim in event.killed.victims}
    if len(places) == 1 and first.memcg is not None:
        case.says(Signalled.PLACE, victim_memcg=first.memcg)
    if first.asked_ns is not None:
        case.says(Signalled.ASKED_BEFORE, asked_ns=first.asked_ns,
                  asked_by=Process(first.asked_by_pid, first.asked_by_comm))
    if not any(victim.fatal for victim in event.killed.victims):
        case.says(Signalled.HAD_HANDLER, signal=senders.signal_name(first.signal))
    case.remarks(Signalled.NO_OOM)

"""Steps 1 and 2 as well: in which code the task that asked was, and the victim."""

from __future__ import annotations

from typing import Optional, Union

from oomtrace.model import Code, Ending, Moment, NoStack, OomEvent, ThreadStack

from .. import stacks
from ..case import Case
from ..finding import CERTAIN, LIKELY, Process, Reason
from ..registry import cause


class AskedIn(Reason):
    WAS_IN = "was_in"
    KERNEL_THREAD = "kernel_thread"
    CUT = "cut"
    SHORT = "short"
    NOT_SEEN = "not_seen"
    OTHER_MOMENT = "other_moment"


class WasIn(Reason):
    WAS_IN = "was_in"
    CHARGED_LAST = "charged_last"
    EXITING = "exiting"
    CUT = "cut"
    SHORT = "short"
    NOT_SEEN = "not_seen"
    OTHER_MOMENT = "other_moment"


@cause("asked_in", step=1, place=5, reasons=AskedIn)
def asked_in(event: OomEvent, case: Case) -> None:
    """The innermost frames of the task that asked."""
    code = event.code
    if code is None or code.asker is None:
        return
    where = stacks.innermost(code, code.asker.stack)
    if where is not None:
        case.says(AskedIn.WAS_IN, thread=_who(code.asker), code=where)
        _doubts(code, code.asker, case, AskedIn)
    elif code.asker.none is NoStack.KERNEL_THREAD:
        case.says(AskedIn.KERNEL_THREAD, thread=_who(code.asker))


@cause("was_in", step=2, place=3, reasons=WasIn)
def was_in(event: OomEvent, case: Case) -> None:
    """The victim's innermost frames as it took the signal, and those of its thread that charged last."""
    code = event.code
    if code is None or code.victim is None:
        return
    where = stacks.innermost(code, code.victim.stack)
    if where is not None:
        case.says(WasIn.WAS_IN, thread=_who(code.victim), code=where)
        _doubts(code, code.victim, case, WasIn)
    elif code.victim.none is NoStack.EXITING:
        case.says(WasIn.EXITING, thread=_who(code.victim))
    other = code.victim_charged
    last = stacks.innermost(code, other.stack) if other is not None else None
    if other is not None and other.pid != code.victim.pid and last is not None:
        case.says(WasIn.CHARGED_LAST, thread=_who(other), code=last)


def _who(thread: ThreadStack) -> Process:
    return Process(thread.pid, thread.comm)


def _doubts(code: Code, thread: ThreadStack, case: Case, says: Union[type[AskedIn], type[WasIn]]) -> None:
    """What makes the stack less than it could be."""
    if thread.stack is None or thread.stack >= len(code.stacks):
        return
    found = code.stacks[thread.stack]
    if found.interpreted is Moment.OTHER:
        case.remarks(says.OTHER_MOMENT, LIKELY)
    reasons: dict[Optional[Ending], Reason] = {
        Ending.CUT: says.CUT, Ending.SHORT: says.SHORT, Ending.NOT_SEEN: says.NOT_SEEN,
    }
    if found.ends in reasons:
        case.remarks(reasons[found.ends], CERTAIN)

"""Step 1 where somebody else than the OOM killer killed: who that was, and why as far as it says so itself."""

from __future__ import annotations

from oomtrace.model import OomEvent, Sent

from .. import senders
from ..case import Case
from ..finding import LIKELY, Process, Reason
from ..registry import cause


class Sender(Reason):
    PROCESS = "sender_process"
    COMMAND_LINE = "command_line"
    PARENT = "parent"
    PLACE = "place_of_sender"
    SAID = "said"
    KUBELET_SAID = "kubelet_said"
    NOTED = "noted"
    NOT_SHOWN = "sender_not_shown"
    SELF = "sent_by_kernel"


_OF_PODS = (senders.Role.EVICTION, senders.Role.POD)


@cause("sender", step=1, place=11, reasons=Sender, killed=True)
def sender(event: OomEvent, case: Case) -> None:
    """Who sent a signal that ended processes: its command line, where it runs, what it is known for."""
    if event.killed is None:
        return
    killed, by = event.killed, event.killed.sender
    if by is None:
        case.says(Sender.NOT_SHOWN)
        return
    if not senders.by_process(killed.how):
        case.says(Sender.SELF, sender=senders.who(by), how=str(killed.how or Sent.KERNEL))
    else:
        case.says(Sender.PROCESS, sender=senders.who(by), uid=by.uid)
        if by.command_line is not None and by.command_line != by.comm:
            case.says(Sender.COMMAND_LINE, command_line=by.command_line)
        if by.parent_comm is not None and (by.parent_pid or 0) > 1:
            case.says(Sender.PARENT, parent=Process(by.parent_pid, by.parent_comm))
        if by.memcg not in (None, "/"):
            case.says(Sender.PLACE, sender_memcg=by.memcg)
    known = senders.role_in(killed)
    if known is not None and senders.by_process(killed.how):
        case.remarks(known, LIKELY)
    if killed.said:
        case.remarks(Sender.KUBELET_SAID if known in _OF_PODS else Sender.SAID, said=killed.said)
    if killed.oomd_kills is not None:
        case.remarks(Sender.NOTED, oomd_kills=killed.oomd_kills)

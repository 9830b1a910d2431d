"""What is told of an event in a few words: names and values, for a journal's fields and a command's environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Optional

from oomtrace.tell.common import subject

if TYPE_CHECKING:
    from oomtrace.model import OomEvent


def essentials(event: OomEvent, capture: Optional[Path] = None) -> dict[str, str]:
    """``OOMTRACE_VICTIM`` and the like, and ``MESSAGE``, the headline. What the source does not tell is left out."""
    from oomtrace import why
    from oomtrace.escape import escaped
    from oomtrace.output.base import with_names
    from oomtrace.why import witnessed
    from oomtrace.why.senders import signal_name

    victim, trigger = subject.victim_of(event), event.report.trigger
    sender = event.killed.sender if event.killed is not None else None
    signals = event.killed.victims[:1] if event.killed is not None else ()
    box = witnessed.container_of_victim(event)
    pod = "/".join(filter(None, (box.pod_namespace, box.pod))) if box is not None else None
    values = {
        "MESSAGE": escaped(why.explain(with_names(event)).headline),
        "OOMTRACE_KIND": event.kind,
        "OOMTRACE_HOST": event.origin.host,
        "OOMTRACE_MEMCG": event.report.memcg.path if event.report.memcg else None,
        "OOMTRACE_VICTIM": victim.comm if victim else None,
        "OOMTRACE_VICTIM_PID": victim.pid if victim else None,
        "OOMTRACE_VICTIM_UID": victim.uid if victim else None,
        "OOMTRACE_VICTIM_MEMCG": subject.victim_memcg(event),
        "OOMTRACE_CONTAINER": box.name if box is not None else None,
        "OOMTRACE_IMAGE": box.image if box is not None else None,
        "OOMTRACE_POD": pod or None,
        "OOMTRACE_KILLED": subject.processes(event),
        "OOMTRACE_SIGNAL": signal_name(signals[0].signal) if signals else None,
        "OOMTRACE_SENDER": sender.comm if sender else None,
        "OOMTRACE_SENDER_PID": sender.pid if sender else None,
        "OOMTRACE_TRIGGER": trigger.comm,
        "OOMTRACE_TRIGGER_PID": trigger.tgid if trigger.tgid is not None else trigger.pid,
        "OOMTRACE_CAPTURE": capture.absolute() if capture is not None else None,
    }
    return {name: str(value) for name, value in values.items() if value is not None}

"""Events as log records for an OpenTelemetry collector, by OTLP over HTTP: the OpenTelemetry SDK's own exporter.

The names of attributes are those of OpenTelemetry's semantic conventions where they have one; the others begin with
``oomtrace.``. A process beside the trace sends them: a collector that is down is tried again, with longer and longer
pauses, until it is up or the trace is over.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from oomtrace import __version__
from oomtrace.errors import EXIT_USAGE, OomtraceError
from oomtrace.tell import Option
from oomtrace.tell.common import subject

if TYPE_CHECKING:
    from oomtrace.model import OomEvent

OPTION = Option("--otlp", "Send each OOM to the OpenTelemetry collector at URL, as a log record.", "URL")
PATH = "/v1/logs"  # of OTLP/HTTP, where the URL has none
_END_S = 10.0  # for what waits when the trace ends


class Otlp:
    """A collector."""

    name = "--otlp"

    def __init__(self, address: str, end_s: float = _END_S) -> None:
        from oomtrace.tell.common import beside

        def work(inbox: beside.Inbox) -> None:
            from oomtrace.tell.common.otlp_sender import send_all  # not in the trace's own process: the SDK is large

            send_all(inbox, address)

        self.beside = beside.Beside(self.name, end_s, work)

    def tell(self, event: OomEvent, capture: Optional[Path]) -> None:
        """Hand the event over. Raises OSError where that cannot be done."""
        from oomtrace.tell.common.essentials import essentials

        message = {
            "body": essentials(event).get("MESSAGE", ""),
            "attributes": attributes(event, capture),
            "resource": resource(event),
            "time_ns": time.time_ns(),
            "name": "oomtrace.oom" if event.killed is None else "oomtrace.killed",
        }
        self.beside.hand(message, b"")

    def close(self) -> None:
        """Wait for what has been handed over. Raises OSError if events were dropped."""
        self.beside.close()


def opened(value: object) -> Otlp:
    """The channel for ``--otlp URL``. Raises OomtraceError if it is no URL, or the SDK is missing."""
    from importlib.util import find_spec
    from urllib.parse import urlsplit

    address = urlsplit(str(value))
    if address.scheme not in ("http", "https") or not address.netloc:
        raise OomtraceError(f"--otlp {value}: expected http://HOST:PORT", None, EXIT_USAGE)
    try:
        found = find_spec("opentelemetry.exporter.otlp.proto.http")
    except ModuleNotFoundError:
        found = None
    if found is None:
        hint = "pip install opentelemetry-exporter-otlp-proto-http"
        raise OomtraceError("--otlp needs OpenTelemetry's SDK", hint, EXIT_USAGE)
    return Otlp(str(value) if address.path not in ("", "/") else str(value).rstrip("/") + PATH)


def attributes(event: OomEvent, capture: Optional[Path] = None) -> dict[str, Any]:
    """What is told of an event. What is not known is left out."""
    from oomtrace.why import names, witnessed

    report, trace = event.report, event.trace
    victim, trigger = subject.victim_of(event), report.trigger
    sender = event.killed.sender if event.killed is not None else None
    path = subject.path_of(event)
    owner = names.owner(path) if path else None
    memory = report.memcg.memory if report.memcg is not None else None
    box = witnessed.container(event, path=path)
    values = {
        "process.pid": victim.pid if victim else None,
        "process.executable.name": victim.comm if victim else None,
        "process.user.id": victim.uid if victim else None,
        "container.id": owner.container_id if owner is not None else None,
        "container.name": box.name if box is not None else None,
        "container.image.name": box.image if box is not None else None,
        "k8s.pod.name": box.pod if box is not None else None,
        "k8s.namespace.name": box.pod_namespace if box is not None else None,
        "k8s.pod.uid": owner.pod_uid if owner is not None else None,
        "oomtrace.kind": event.kind,
        "oomtrace.unit": owner.unit if owner is not None else None,
        "oomtrace.memcg.path": path,
        "oomtrace.memcg.limit_kb": memory.limit_kb if memory is not None else None,
        "oomtrace.memcg.usage_kb": memory.usage_kb if memory is not None else None,
        "oomtrace.victim.memcg": subject.victim_memcg(event),
        "oomtrace.victim.anon_rss_kb": victim.anon_rss_kb if victim else None,
        "oomtrace.killed": subject.processes(event),
        "oomtrace.sender.pid": sender.pid if sender is not None else None,
        "oomtrace.sender.name": sender.comm if sender is not None else None,
        "oomtrace.trigger.pid": trigger.tgid if trigger.tgid is not None else trigger.pid,
        "oomtrace.trigger.name": trigger.comm,
        "oomtrace.records_lost": trace.records_lost,
        "oomtrace.capture": str(capture.absolute()) if capture is not None else None,
    }
    return {name: _text(value) for name, value in values.items() if value is not None}


def resource(event: OomEvent) -> dict[str, Any]:
    """Where the event is from."""
    values = {
        "service.name": "oomtrace",
        "service.version": __version__,
        "host.name": event.origin.host or os.uname().nodename,
        "host.id": event.origin.machine_id,
        "os.type": "linux",
        "os.version": event.report.machine.release,
    }
    return {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: Any) -> Any:
    """Protobuf's strings are UTF-8: what is not is shown as such."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

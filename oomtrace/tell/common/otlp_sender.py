"""Sends log records with OpenTelemetry's SDK, each until the collector has it."""

from __future__ import annotations

import logging
from typing import Any

from oomtrace import __version__
from oomtrace.tell.common.beside import Inbox

TRY_S = 5.0  # for one try, retries of the exporter's own included
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0


def send_all(inbox: Inbox, address: str) -> None:
    """The process's work: a record after the other, each until the collector has it."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    said = _Said()
    exporter = OTLPLogExporter(endpoint=address, timeout=TRY_S)
    for message, _ in inbox:
        record, pause_s = _record(message), _FIRST_PAUSE_S
        while exporter.export([record]).name != "SUCCESS":
            said.tell(inbox)
            if inbox.over:
                inbox.failed("the collector did not take it")
                break
            inbox.pause(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    exporter.shutdown()  # type: ignore[no-untyped-call,unused-ignore]


class _Said(logging.Handler):
    """What the SDK logs: its first complaint is told, and it tells nothing itself."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last = "the collector cannot be reached"
        self._told = False
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self._last = record.getMessage()

    def tell(self, inbox: Inbox) -> None:
        if not self._told:
            inbox.warn(f"{self._last}; it is tried again")
        self._told = True


def _record(message: dict[str, Any]) -> Any:
    """The SDK's record of an event."""
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    record = LogRecord(
        timestamp=message["time_ns"], observed_timestamp=message["time_ns"], severity_text="WARN",
        severity_number=SeverityNumber.WARN, body=message["body"], attributes=message["attributes"],
        event_name=message["name"],
    )
    return ReadableLogRecord(record, Resource(message["resource"]), InstrumentationScope("oomtrace", __version__))

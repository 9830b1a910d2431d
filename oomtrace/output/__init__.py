"""One writer a format. A writer writes to the stream that it is given; nothing else in oomtrace prints."""

from __future__ import annotations

from typing import Dict, Optional, Type

from oomtrace.errors import EXIT_USAGE, OomtraceError
from oomtrace.formats import Dialect

from .document import SCHEMA, schema
from .explanation import WhyWriter
from .report import KernelWriter, TextWriter
from .structured import JsonlWriter, JsonWriter, YamlWriter
from .writer import Stream, Writer

__all__ = ["FORMATS", "SCHEMA", "Stream", "Writer", "schema", "writer"]

FORMATS: Dict[str, Type[Writer]] = {
    "text": TextWriter,
    "kernel": KernelWriter,
    "why": WhyWriter,
    "json": JsonWriter,
    "jsonl": JsonlWriter,
    "yaml": YamlWriter,
}


def writer(
    format: str, stream: Stream, colour: Optional[bool] = None, dialect: Optional[Dialect] = None
) -> Writer:
    """The writer of a format."""
    if format not in FORMATS:
        raise OomtraceError(f"there is no format {format}", f"Choose one of {', '.join(FORMATS)}.", EXIT_USAGE)
    return FORMATS[format](stream, colour, dialect)

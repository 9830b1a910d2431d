"""One writer a format. A writer writes to the stream that it is given; nothing else in oomtrace prints.

A new format is a module with a subclass of ``base.Writer``, and a line in ``FORMATS``: ``--format``, its help and the
documentation follow. Writers are imported when one is made, so that the names cost a starting trace nothing.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from oomtrace.errors import EXIT_USAGE, OomtraceError

if TYPE_CHECKING:
    from oomtrace.formats import Dialect

    from .base import Stream, Writer


@dataclass(frozen=True)
class OutputFormat:
    """Where the writer of a format is, and what it writes: half a sentence for help texts."""

    module: str
    writer: str
    about: str


FORMATS: dict[str, OutputFormat] = {
    "text": OutputFormat("report", "TextWriter", "the kernel's report, then why it happened"),
    "kernel": OutputFormat("report", "KernelWriter", "the kernel's report alone, byte for byte"),
    "why": OutputFormat("explanation", "WhyWriter", "only the explanation"),
    "json": OutputFormat("structured", "JsonWriter", "one JSON document with all that is known"),
    "jsonl": OutputFormat("structured", "JsonlWriter", "the same, a line of JSON for each OOM"),
    "yaml": OutputFormat("structured", "YamlWriter", "the same as YAML"),
    "html": OutputFormat("html", "HtmlWriter", "a page to look at, one file for all OOMs, written at the end"),
    "folded": OutputFormat("folded", "FoldedWriter", "whose code charged memory, a stack a line, for flame graphs"),
    "pprof": OutputFormat("pprof", "PprofWriter", "the same for pprof, one gzipped profile, written at the end"),
}


def writer(
    format: str, stream: Stream, colour: Optional[bool] = None, dialect: Optional[Dialect] = None
) -> Writer:
    """The writer of a format. Raises OomtraceError if there is no such format."""
    found = FORMATS.get(format)
    if found is None:
        raise OomtraceError(f"there is no format {format}", f"choose one of {', '.join(FORMATS)}", EXIT_USAGE)
    made: Writer = getattr(importlib.import_module(f"{__name__}.{found.module}"), found.writer)(stream, colour, dialect)
    return made


def schema() -> dict[str, Any]:
    """The JSON Schema of what json, jsonl and yaml write."""
    from . import document

    return document.schema()

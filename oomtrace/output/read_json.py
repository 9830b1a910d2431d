"""What json and jsonl have written → events: of this version of the schema, and of the one before it.

The explanation in a document is not read: it follows from the event. Bytes that were no UTF-8 stand there as ``\\x80``,
and are bytes again afterwards. Where each line of a log stood is not in a document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, Optional

from oomtrace.errors import EXIT_UNREADABLE, OomtraceError
from oomtrace.model import OomEvent, Origin, Part, Report, Trace
from oomtrace.plain import PlainReader

from .document import MEMBERS, SCHEMA

_EARLIER = "oomtrace/1"
_BEGINNING = re.compile(rb'\s*\{\s*"schema"\s*:\s*"oomtrace/\d')
_HEAD = re.compile(r'\s*\{\s*"schema"\s*:\s*"(oomtrace/\d+)"\s*,\s*"events"\s*:\s*\[')
_GAP = re.compile(r"[\s,]*")
_ESCAPED = re.compile(r"\\x([89a-f][0-9a-f])")

ENOUGH_BYTES = 64  # of a file's beginning, to tell whether it is a document

# oomtrace/1: what it called the parts that can be missing, where that has changed.
_PARTS = {
    "memcg usage": Part.MEMCG_USAGE,
    "memcg statistics": Part.MEMCG_STATS,
    "memory state": Part.MEMINFO,
    "the kill": Part.KILL,
}


@dataclass(frozen=True)
class Entry:
    """An event in a document, as JSON has it, and the document's schema; ``problem``: why it cannot be read."""

    schema: str
    plain: Any = None
    problem: Optional[str] = None


def is_document(head: bytes) -> bool:
    """Whether a file that begins so (ENOUGH_BYTES) is a document of ours, of whatever version."""
    return bool(_BEGINNING.match(head))


def entries(pieces: Iterable[bytes]) -> Iterator[Entry]:
    """The events of a file, each as soon as it is there: lines of jsonl, or documents, one after the other."""
    lines = _lines(pieces)
    first = next(lines, "")
    if _line(first) is None:
        yield from _Documents("".join(chain([first], lines))).entries()
        return
    for line in chain([first], lines):
        found = _line(line)
        if found is not None:
            yield found
        elif line.strip():
            yield Entry("", problem="a line is no JSON, or has no event in it")


def event(entry: Entry) -> OomEvent:
    """The event of an entry. Raises OomtraceError."""
    if entry.problem is not None:
        raise OomtraceError(f"the document is damaged: {entry.problem}", None, EXIT_UNREADABLE)
    if entry.schema not in (SCHEMA, _EARLIER):
        message = f"the document is of schema {entry.schema}, and this oomtrace reads {_EARLIER} and {SCHEMA}"
        raise OomtraceError(message, "read it with the oomtrace that wrote it, or a newer one", EXIT_UNREADABLE)
    try:
        plain = _grouped(entry.plain) if entry.schema == _EARLIER else entry.plain
        return _READER.read(OomEvent, plain)
    except ValueError as error:
        raise OomtraceError(f"an event of the document cannot be read: {error}", None, EXIT_UNREADABLE) from error


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace") + "\n"
    if rest:
        yield rest.decode("utf-8", "replace")


def _line(text: str) -> Optional[Entry]:
    """A line of jsonl; None if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or "event" not in found:
        return None
    return Entry(str(found.get("schema")), found["event"])


class _Documents:
    """Documents, one after the other. What comes before damage is read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._decoder = json.JSONDecoder()

    def entries(self) -> Iterator[Entry]:
        """The events of all."""
        try:
            while self._text[self._at :].strip():
                head = _HEAD.match(self._text, self._at)
                if head is None:
                    raise ValueError("it does not go on as a document does")
                self._at = head.end()
                yield from self._events(head.group(1))
        except ValueError as error:
            yield Entry("", problem=str(error))

    def _events(self, schema: str) -> Iterator[Entry]:
        while True:
            gap = _GAP.match(self._text, self._at)
            self._at = gap.end() if gap else self._at
            if self._text[self._at : self._at + 1] == "]":
                break
            found = self._decoded()
            if not isinstance(found, dict) or "event" not in found:
                raise ValueError("an event in it is none")
            yield Entry(schema, found["event"])
        # The pattern of several follows from the events. What is read here is the end of the document's object.
        begun = '{"events": ['
        self._text, self._at = begun + self._text[self._at :], 0
        self._decoded()

    def _decoded(self) -> Any:
        try:
            found, self._at = self._decoder.raw_decode(self._text, self._at)
        except (ValueError, RecursionError) as error:
            raise ValueError("it ends early, or is no JSON from there on") from error
        return found


def _grouped(flat: Any) -> Any:
    """An event of oomtrace/1, whose fields lay side by side, in the groups of today: they have kept their names."""
    if not isinstance(flat, dict):
        return flat
    groups: Mapping[str, type] = {"report": Report, "trace": Trace, "origin": Origin}
    found: dict[str, Any] = {"kind": flat.get("kind")}
    for name, group in groups.items():
        names: list[str] = [field.name for field in fields(group)]
        found[name] = {each: flat[each] for each in names if each in flat}
    memcg = flat.get("memcg")
    if isinstance(memcg, dict) and memcg.get("levels"):  # they were the memcg's
        found["trace"].setdefault("levels", memcg["levels"])
    missing = flat.get("missing")
    if isinstance(missing, list):
        found["origin"]["missing"] = [_PARTS.get(part, part) for part in missing if isinstance(part, str)]
    return found


def _bytes_again(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(0xDC00 + int(match.group(1), 16)), text) if "\\x" in text else text


_READER = PlainReader(MEMBERS, _bytes_again)

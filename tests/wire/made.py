"""Records made by hand, in the layout of bpf/records.h."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from oomtrace.facts import Facts
from oomtrace.wire.layout import Layout, TraceRecord
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import RecordKind, struct_name

LAYOUT = Layout((Path(__file__).resolve().parents[2] / "bpf" / "records.h").read_text())
PRINTED_FORMATS = 0xFFFFFFFF82000000  # where the formats of a made printk lie


def record(kind: RecordKind, seq: Optional[int] = 0, oom_id: int = 0, time_ns: int = 0, **fields: Any) -> TraceRecord:
    """A record of that kind; a bytes value fills a char array, a list the beginning of an array, and a dict the members
    of a struct. ``seq`` None: it comes late, from another task."""
    body = LAYOUT.structs[struct_name(kind)]()
    header = {"kind": LAYOUT.constants[f"REC_{kind.name}"], "seq": LAYOUT.constants["NO_SEQ"] if seq is None else seq}
    _fill(body, {"header": {**header, "oom_id": oom_id, "time_ns": time_ns}, **fields})
    return LAYOUT.decode(bytes(body))


def _fill(struct: Any, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        if isinstance(value, dict):
            _fill(getattr(struct, name), value)
        elif isinstance(value, (bytes, list)):
            array = getattr(struct, name)
            array[: len(value)] = list(value)
        else:
            setattr(struct, name, value)


def oom_records(
    *records: TraceRecord, facts: Optional[Facts] = None, names: Mapping[int, str] = {}
) -> OomRecords:
    """Those records as the ones of an OOM."""
    return OomRecords(records, LAYOUT, facts or Facts(), names.get)


def printks(*lines: Sequence[Union[str, int, bytes]]) -> list[TraceRecord]:
    """The records of printks: a format with its arguments, a bytes argument being the string of the first."""
    found: list[TraceRecord] = []
    at: dict[str, int] = {}
    for text, *arguments in lines:
        assert isinstance(text, str)
        if text not in at:
            at[text] = PRINTED_FORMATS + 64 * len(at)
            found.append(record(RecordKind.FORMAT, len(found), format=at[text], text=text.encode()))
        string = arguments[0] if arguments and isinstance(arguments[0], bytes) else b""
        words = [0xFFFF0000 if isinstance(a, (bytes, str)) else a & (1 << 64) - 1 for a in arguments]
        found.append(record(RecordKind.PRINT, len(found), format=at[text], count=32, args=words, string=string))
    return found

"""Records made by hand, in the layout of bpf/records.h."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence, Union

from oomtrace.wire.layout import Layout, Record

LAYOUT = Layout((Path(__file__).resolve().parents[2] / "bpf" / "records.h").read_text())
PRINTED_FORMATS = 0xFFFFFFFF82000000  # where the formats of a made printk lie


def record(kind: str, seq: int = 0, **fields: Any) -> Record:
    """A record of that kind; a bytes value fills a char array, a list the beginning of an array."""
    struct = LAYOUT.structs[kind.lower()]
    body = struct()
    body.header.kind, body.header.seq = LAYOUT.constants[kind], seq
    for name, value in fields.items():
        if isinstance(value, (bytes, list)):
            array = getattr(body, name)
            array[: len(value)] = list(value)
        else:
            setattr(body, name, value)
    return LAYOUT.decode(bytes(body))


def printks(*lines: Sequence[Union[str, int, bytes]]) -> List[Record]:
    """The records of printks: a format with its arguments, a bytes argument being the string of the first."""
    found: List[Record] = []
    at: Dict[str, int] = {}
    for text, *arguments in lines:
        assert isinstance(text, str)
        if text not in at:
            at[text] = PRINTED_FORMATS + 64 * len(at)
            found.append(record("REC_FORMAT", len(found), format=at[text], text=text.encode()))
        string = arguments[0] if arguments and isinstance(arguments[0], bytes) else b""
        words = [0xFFFF0000 if isinstance(a, (bytes, str)) else a & (1 << 64) - 1 for a in arguments]
        found.append(record("REC_PRINT", len(found), format=at[text], count=32, args=words, string=string))
    return found

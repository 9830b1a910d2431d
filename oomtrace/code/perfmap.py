"""/tmp/perf-PID.map: what a runtime that makes code as it runs (Node, the JVM with an agent, Python's -X perf) says of
that code. A line a function: where it begins, how long it is, its name (the kernel's
tools/perf/Documentation/jit-interface.txt)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Optional

from .elf import Symbol, Symbols

_LINE = re.compile(r"(?:0x)?([0-9a-fA-F]{1,16}) (?:0x)?([0-9a-fA-F]{1,16}) (\S.*)")
_MOST_BYTES = 16 << 20


def read(file: Optional[int], uid: int) -> str:
    """The lines of a map that belongs to that user or to root; "" if there is none. Closes the file.

    Anybody may put a file there, or a link to one of somebody else's: who opens it follows no link, and only lines that
    are of a map are kept.
    """
    if file is None:
        return ""
    with os.fdopen(file, "rb") as stream:
        if os.fstat(file).st_uid not in (0, uid):
            return ""
        text = stream.read(_MOST_BYTES).decode("utf-8", "surrogateescape")
    return "".join(f"{line}\n" for line in text.splitlines() if _LINE.fullmatch(line))


def symbols(text: str) -> Symbols:
    """The functions of a map. Code that has moved is there twice: the later line counts."""
    found = {symbol.address: symbol for symbol in _symbols(text)}
    return Symbols([found[address] for address in sorted(found)])


def _symbols(text: str) -> Iterator[Symbol]:
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None:
            yield Symbol(int(match.group(1), 16), int(match.group(2), 16), match.group(3))

"""Go's own tables: every Go program has the names and lines of its functions in it, stripped or not.

The format: Go's src/internal/abi/symtab.go and src/debug/gosym/pclntab.go; of Go 1.18 and later.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from .elf import Elf

_MAGICS = (0xFFFFFFF0, 0xFFFFFFF1)  # Go 1.18, Go 1.20
_SECTIONS = (".gopclntab", ".data.rel.ro.gopclntab")  # the second where the program may lie anywhere (PIE)
_MOST_FUNCTIONS = 4 << 20


@dataclass(frozen=True)
class GoFunction:
    """A function, and where in its source an address is."""

    name: str
    start: int
    file: Optional[str]
    line: Optional[int]


class GoTable:
    """The table of a program. Raises ValueError if it is none of Go 1.18 or later."""

    def __init__(self, table: bytes, text: int) -> None:
        if len(table) < 72 or struct.unpack_from("<I", table)[0] not in _MAGICS:
            raise ValueError("no table of Go 1.18 or later")
        self._table, self._quantum, pointer = table, table[6], table[7]
        if pointer not in (4, 8):
            raise ValueError("pointers have 4 or 8 bytes")
        count, _, start, *offsets = struct.unpack_from(f"<8{'Q' if pointer == 8 else 'I'}", table, 8)
        self._text = start or text
        self._names, self._units, self._files, self._pcs, self._functions = offsets
        if count > _MOST_FUNCTIONS or self._functions + count * 8 > len(table):
            raise ValueError("it is cut")
        rows = struct.unpack_from(f"<{count * 2}I", table, self._functions)
        self._starts, self._rows = rows[::2], rows[1::2]

    def function(self, address: int) -> Optional[GoFunction]:
        """The function at an address; None if it is in none."""
        offset = address - self._text
        at = bisect_right(self._starts, offset) - 1
        if at < 0:
            return None
        try:
            row = struct.unpack_from("<IiIIIIIII", self._table, self._functions + self._rows[at])
            start, name, _, _, _, files, lines, _, unit = row
            file = self._value(files, start, offset)
            return GoFunction(
                self._string(self._names + name), self._text + start, self._file(unit, file),
                self._value(lines, start, offset),
            )
        except (struct.error, IndexError, ValueError):
            return None

    def _file(self, unit: int, file: Optional[int]) -> Optional[str]:
        if file is None or file < 0:
            return None
        at = struct.unpack_from("<I", self._table, self._units + (unit + file) * 4)[0]
        return self._string(self._files + at) if at != 0xFFFFFFFF else None

    def _value(self, table: int, start: int, offset: int) -> Optional[int]:
        """A value that changes along the function: pairs of how much it changes, and for how many bytes."""
        value, pc = -1, start
        numbers = self._numbers(self._pcs + table)
        for first, change in enumerate(numbers):
            if change == 0 and first:
                return None
            value += -(change + 1 >> 1) if change & 1 else change >> 1
            pc += next(numbers) * self._quantum
            if offset < pc:
                return value
        return None

    def _numbers(self, at: int) -> Iterator[int]:
        """Numbers of 7 bits a byte, the least significant first."""
        while True:
            number = shift = 0
            while True:
                byte = self._table[at]
                at += 1
                number |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            yield number

    def _string(self, at: int) -> str:
        return self._table[at : self._table.index(b"\0", at)].decode("utf-8", "replace")


def table(elf: Elf) -> Optional[GoTable]:
    """The table of a file; None if it is no Go program."""
    sections = {section.name: section for section in elf.sections}
    name = next((one for one in _SECTIONS if one in sections), None)
    content = elf.content(name) if name is not None else None
    if content is None:
        return None
    text = sections.get(".text")
    try:
        return GoTable(content, text.address if text is not None else 0)
    except (ValueError, struct.error):
        return None

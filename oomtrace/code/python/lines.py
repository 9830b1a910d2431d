"""Which line an instruction is of: CPython's co_linetable (Objects/locations.md, PEP 626), of 3.11 and later."""

from __future__ import annotations

from typing import Optional

_NONE, _LONG, _NO_COLUMN, _ONE_LINE = 15, 14, 13, 10
_UNIT_BYTES = 2


def line_of(table: bytes, first_line: int, offset: int) -> Optional[int]:
    """The line of the instruction at an offset in bytes; None if the table does not tell."""
    line, at, reached = first_line, 0, 0
    try:
        while at < len(table):
            code, units = table[at] >> 3 & 15, (table[at] & 7) + 1
            at += 1
            if code in (_LONG, _NO_COLUMN):
                number, at = _varint(table, at)
                line += -(number >> 1) if number & 1 else number >> 1
                for _ in range(3 if code == _LONG else 0):  # the last line, and columns
                    _, at = _varint(table, at)
            elif code >= _ONE_LINE and code != _NONE:
                line += code - _ONE_LINE
                at += 2
            elif code < _ONE_LINE:
                at += 1
            reached += units * _UNIT_BYTES
            if offset < reached:
                return line if code != _NONE else None
    except IndexError:
        pass
    return None


def _varint(table: bytes, at: int) -> tuple[int, int]:
    """A number of 6 bits a byte, the least significant first, and where it ends."""
    number = shift = 0
    while True:
        byte = table[at]
        at += 1
        number |= (byte & 63) << shift
        shift += 6
        if not byte & 64:
            return number, at

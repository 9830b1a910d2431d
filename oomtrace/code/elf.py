"""What of an ELF file is needed without libdw: its build id, its symbols, a section."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable, Optional

Read = Callable[[int, int], bytes]  # offset, bytes → what is there, perhaps less

_PT_LOAD, _PT_NOTE = 1, 4
_SHT_SYMTAB, _SHT_NOBITS, _SHT_DYNSYM = 2, 8, 11
_NT_GNU_BUILD_ID = 3
_STT_OBJECT, _STT_FUNC = 1, 2
_MOST_BYTES = 256 << 20  # of one table: a damaged file does not take more
_MOST_HEADERS = 4096
_MOST_NAMES_BYTES = 1 << 20  # of sections
_MOST_SEARCHED_BYTES = 8 << 20  # of a table in which one name is looked for


@dataclass(frozen=True)
class Segment:
    """A program header."""

    kind: int
    offset: int
    address: int
    file_bytes: int


@dataclass(frozen=True)
class Section:
    """A section header."""

    name: str
    kind: int
    address: int
    offset: int
    bytes: int
    link: int


@dataclass(frozen=True)
class Symbol:
    """A function or an object."""

    address: int
    bytes: int
    name: str


class Elf:
    """A file, read piece by piece. Raises ValueError if it is no ELF file of a little-endian machine."""

    def __init__(self, read: Read) -> None:
        self._read = read
        head = read(0, 64)
        if head[:4] != b"\x7fELF" or len(head) < 52 or head[4] not in (1, 2) or head[5] != 1:
            raise ValueError("no ELF file of a little-endian machine")
        self.wide = head[4] == 2
        try:
            self.kind, self.machine = struct.unpack_from("<HH", head, 16)
            if self.wide:
                self._phoff, self._shoff = struct.unpack_from("<QQ", head, 32)
                counts = struct.unpack_from("<HHHHH", head, 54)
            else:
                self._phoff, self._shoff = struct.unpack_from("<II", head, 28)
                counts = struct.unpack_from("<HHHHH", head, 42)
        except struct.error as error:
            raise ValueError("its head is cut") from error
        self._phentsize, self._phnum, self._shentsize, self._shnum, self._shstrndx = counts

    @property
    def segments(self) -> Iterator[Segment]:
        """The program headers."""
        form = "<IIQQQQ" if self.wide else "<IIIII"
        for at in range(min(self._phnum, _MOST_HEADERS)):
            found = self._unpacked(form, self._phoff + at * self._phentsize)
            if found is None:
                return
            if self.wide:
                kind, _, offset, address, _, size = found
            else:
                kind, offset, address, _, size = found
            yield Segment(kind, offset, address, size)

    @property
    def first_address(self) -> int:
        """The lowest address at which a part of it is loaded; 0 for what may lie anywhere."""
        return min((one.address for one in self.segments if one.kind == _PT_LOAD), default=0)

    @property
    def sections(self) -> list[Section]:
        """The section headers, named."""
        form = "<IIQQQQII" if self.wide else "<IIIIIIII"
        found = []
        for at in range(min(self._shnum, _MOST_HEADERS)):
            row = self._unpacked(form, self._shoff + at * self._shentsize)
            if row is None:
                break
            found.append(row)
        if self._shstrndx >= len(found):
            return []
        _, _, _, _, offset, size, _, _ = found[self._shstrndx]
        names = self._read(offset, min(size, _MOST_NAMES_BYTES))
        return [Section(_text(names, name), kind, address, offset, size, link)
                for name, kind, _, address, offset, size, link, _ in found]

    def content(self, name: str) -> Optional[bytes]:
        """What is in a section; None if it has none of that name."""
        for section in self.sections:
            if section.name == name and section.kind != _SHT_NOBITS:
                return self._read(section.offset, min(section.bytes, _MOST_BYTES))
        return None

    @property
    def build_id(self) -> Optional[str]:
        """Its build id in hexadecimal (the note NT_GNU_BUILD_ID)."""
        for segment in self.segments:
            if segment.kind == _PT_NOTE:
                found = _build_id(self._read(segment.offset, min(segment.file_bytes, 1 << 16)))
                if found is not None:
                    return found
        return None

    def symbols(self, kinds: tuple[int, ...] = (_STT_FUNC, 10), most_bytes: int = _MOST_BYTES) -> list[Symbol]:
        """Its functions (10: those chosen when it starts, STT_GNU_IFUNC), by address; ``most_bytes`` of each table."""
        sections = self.sections
        found: dict[int, Symbol] = {}
        for section in sections:
            if section.kind in (_SHT_SYMTAB, _SHT_DYNSYM) and section.link < len(sections):
                names = sections[section.link]
                strings = self._read(names.offset, min(names.bytes, most_bytes))
                rows = self._read(section.offset, min(section.bytes, most_bytes))
                for symbol in self._symbols(rows, strings, kinds):
                    found.setdefault(symbol.address, symbol)
        return [found[address] for address in sorted(found)]

    def object(self, name: str) -> Optional[Symbol]:
        """The object or function of that name, if its table is not too long to look there."""
        kinds = (0, _STT_OBJECT, _STT_FUNC)
        found = (one for one in self.symbols(kinds, _MOST_SEARCHED_BYTES) if one.name == name)
        return next(found, None)

    def _symbols(self, rows: bytes, strings: bytes, kinds: tuple[int, ...]) -> Iterator[Symbol]:
        form = struct.Struct("<IBBHQQ" if self.wide else "<IIIBBH")
        for row in form.iter_unpack(rows[: len(rows) // form.size * form.size]):
            if self.wide:
                name, info, _, section, address, size = row
            else:
                name, address, size, info, _, section = row
            if info & 0xF in kinds and section and address:
                yield Symbol(address, size, _text(strings, name))

    def _unpacked(self, form: str, offset: int) -> Optional[tuple[int, ...]]:
        data = self._read(offset, struct.calcsize(form))
        return struct.unpack(form, data) if len(data) == struct.calcsize(form) else None


class Symbols:
    """Functions, to be found by an address within them."""

    def __init__(self, symbols: list[Symbol]) -> None:
        self._symbols = symbols
        self._starts = [one.address for one in symbols]

    def at(self, address: int) -> Optional[Symbol]:
        """The function that has this address within it; None if none has."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        found = self._symbols[at]
        return found if address < found.address + max(found.bytes, 1) else None


def _build_id(notes: bytes) -> Optional[str]:
    at = 0
    while at + 12 <= len(notes):
        name_bytes, bytes_, kind = struct.unpack_from("<III", notes, at)
        begin = at + 12 + (name_bytes + 3 & ~3)
        if kind == _NT_GNU_BUILD_ID and notes[at + 12 : at + 16] == b"GNU\0":
            return notes[begin : begin + bytes_].hex()
        at = begin + (bytes_ + 3 & ~3)
    return None


def _text(strings: bytes, at: int) -> str:
    end = strings.find(b"\0", at)
    return strings[at : end if end >= 0 else len(strings)].decode("utf-8", "surrogateescape")

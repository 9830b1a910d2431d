"""Addresses of what the kernel exports to modules, read out of its own memory (/proc/kcore).

A kernel with ``CONFIG_KALLSYMS_ALL=n`` lists functions in /proc/kallsyms and no data. What it exports, data too, is in
its table for modules (``__ksymtab``): for each symbol how far from here it lies, and how far its name (struct
kernel_symbol, include/linux/export-internal.h, with ``CONFIG_HAVE_ARCH_PREL32_RELOCATIONS``, which x86-64 and arm64
have).
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import compress, count
from operator import add
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Optional

from oomtrace.kernel.symbols import Symbols

KCORE = Path("/proc/kcore")
_PROOF = ("_printk", "printk")  # exported, and listed: the table is understood if it says the same of it
SYMBOLS = (*_PROOF, "_etext", "_sinittext")
"""Those that are asked for here."""
_ELF = Struct("<32xQ14xHH")  # Elf64_Ehdr: e_phoff, e_phentsize, e_phnum
_SEGMENT = Struct("<IIQQQQ")  # Elf64_Phdr: p_type, p_flags, p_offset, p_vaddr, p_paddr, p_filesz
_PT_LOAD = 1
_MOST_BYTES = 64 << 20
_MOST_WORDS = 3 << 16  # of the table: some ten thousand entries
_BLOCK = 1 << 20


def addresses(names: Iterable[str], symbols: Symbols, path: Path = KCORE) -> dict[str, int]:
    """Of those symbols of the core kernel that it exports; nothing where its memory may not be read or is not
    understood. Takes seconds on a slow machine."""
    proof = next((name for name in _PROOF if symbols.address(name) is not None), None)
    found = _read_only(symbols, path)
    if proof is None or found is None:
        return {}
    start, data = found
    entries = list(_entries(data, start, {proof, *names}))
    known = next((at for name, at, address in entries if name == proof and address == symbols.address(proof)), None)
    if known is None:
        return {}
    # Three words each, side by side; elsewhere the same words are chance.
    return {name: address for name, at, address in entries if not (at - known) % 3 and abs(at - known) < _MOST_WORDS}


def holds(text: bytes, symbols: Symbols, path: Path = KCORE) -> Optional[bool]:
    """Whether those bytes are in what the core kernel only reads; None where that may not be looked into."""
    data = _read_only(symbols, path)
    return None if data is None else text in data[1]


def _read_only(symbols: Symbols, path: Path) -> Optional[tuple[int, bytes]]:
    """Where the kernel's read-only data begins, and it."""
    start, end = symbols.address("_etext"), symbols.address("_sinittext")
    if start is None or end is None or not start < end <= start + _MOST_BYTES:
        return None
    try:
        with path.open("rb", buffering=0) as core:
            return start & ~7, _memory(core, start & ~7, end)
    except OSError:  # lockdown, no CAP_SYS_RAWIO, no CONFIG_PROC_KCORE
        return None


def _entries(data: bytes, start: int, names: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """What looks like the table's entries for these names in memory that begins at ``start``: the name, which word of
    the memory it is at, the address."""
    at_name = {}
    for name in names:
        place = data.find(name.encode() + b"\0")  # maybe the end of another name: the linker keeps one of both
        while place >= 0:
            at_name[place] = name
            place = data.find(name.encode() + b"\0", place + 1)
    words = array("i", data[: len(data) // 4 * 4])
    # There are millions, so this is done with what Python has in C.
    pointed_at = map(add, words, range(0, 4 * len(words), 4))
    for index in compress(count(), map(at_name.__contains__, pointed_at)):
        if index:
            value = 4 * (index - 1) + words[index - 1]
            yield at_name[4 * index + words[index]], index, start + value


def _memory(core: BinaryIO, start: int, end: int) -> bytes:
    """The kernel's memory between two addresses; zeros where there is none. Raises OSError."""
    found = (offset + start - first for first, last, offset in _segments(core) if first <= start and end <= last)
    offset = next(found, None)
    if offset is None:
        raise OSError("not in the core file")
    return b"".join(_block(core, offset + at, min(_BLOCK, end - start - at)) for at in range(0, end - start, _BLOCK))


def _block(core: BinaryIO, offset: int, size: int) -> bytes:
    data = b""
    with suppress(OSError):  # a hole
        data = os.pread(core.fileno(), size, offset)
    return data.ljust(size, b"\0")


def _segments(core: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """(first address, address behind it, where in the file it begins) of what the core file has."""
    core.seek(0)
    table, size, segments = _ELF.unpack(core.read(_ELF.size))
    for number in range(segments):
        core.seek(table + number * size)
        kind, _, offset, first, _, length = _SEGMENT.unpack(core.read(_SEGMENT.size))
        if kind == _PT_LOAD:
            yield first, first + length, offset

"""Reads the interpreter's frames and code objects from the memory of a process that lives."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable, Mapping
from typing import Optional

from ..raw import PythonCode
from .layout import Layout

_MOST_INTERPRETERS, _MOST_THREADS, _MOST_FRAMES = 16, 4096, 256
_MOST_TEXT, _MOST_TABLE = 512, 65536
_ENTERED = (0, 0)  # between frames: the interpreter was entered from C there
_PAGE_BYTES = mmap.PAGESIZE
_SWAPPED = 1 << 62  # Documentation/admin-guide/mm/pagemap.rst


class Memory:
    """The memory of a process, without what is in swap: to read that would bring it back, charged to a cgroup that may
    be full, and so kill. Raises OSError if it cannot be opened."""

    def __init__(self, tgid: int, proc: str = "/proc") -> None:
        self._file = os.open(f"{proc}/{tgid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._pages = os.open(f"{proc}/{tgid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            os.close(self._file)
            raise
        self._here: set[int] = set()  # pages that are known not to be in swap

    def read(self, address: int, size: int) -> bytes:
        """What is at an address. Raises OSError if nothing is, or if it is in swap."""
        try:
            for page in range(address // _PAGE_BYTES, (address + size - 1) // _PAGE_BYTES + 1):
                self._require(page)
            found = os.pread(self._file, size, address)
        except OverflowError as error:
            raise OSError("no address") from error
        if len(found) < size:
            raise OSError("nothing is there")
        return found

    def word(self, address: int) -> int:
        """Eight bytes."""
        found: int = struct.unpack("<Q", self.read(address, 8))[0]
        return found

    def _require(self, page: int) -> None:
        if page not in self._here:
            (entry,) = struct.unpack("<Q", os.pread(self._pages, 8, 8 * page).ljust(8, b"\0"))
            if entry & _SWAPPED:
                raise OSError("it is in swap")
            self._here.add(page)

    def close(self) -> None:
        """Closes it."""
        os.close(self._file)
        os.close(self._pages)


def frames(memory: Memory, layout: Layout, native_id: int) -> Optional[tuple[tuple[int, int], ...]]:
    """The frames of a thread, innermost first: the address of the code object and of the instruction, ``(0, 0)`` where
    the interpreter was entered from C. None: it is no thread of Python's, or has no frames.

    ``native_id``: the thread's number in its own pid namespace.
    """
    try:
        thread = _thread(memory, layout, native_id)
        if thread is None:
            return None
        frame = memory.word(thread + layout.thread_frame)
        if layout.cframe_frame is not None:
            frame = memory.word(frame + layout.cframe_frame)
    except OSError:
        return None
    found: list[tuple[int, int]] = []
    while frame and len(found) < _MOST_FRAMES:
        try:
            owner = memory.read(frame + layout.frame_owner, 1)[0]
            if owner >= layout.entry_owner:
                found.append(_ENTERED)
            else:
                code = memory.word(frame + layout.frame_code) & layout.code_mask
                found.append((code, memory.word(frame + layout.frame_instruction)))
                if layout.frame_entry is not None and memory.read(frame + layout.frame_entry, 1)[0]:
                    found.append(_ENTERED)
            frame = memory.word(frame + layout.frame_previous)
        except OSError:
            break
    return tuple(found) or None


def _thread(memory: Memory, layout: Layout, native_id: int) -> Optional[int]:
    interpreter = memory.word(layout.runtime + layout.interpreters_head)
    for _ in range(_MOST_INTERPRETERS):
        if not interpreter:
            return None
        thread = memory.word(interpreter + layout.threads_head)
        for _ in range(_MOST_THREADS):
            if not thread:
                break
            if memory.word(thread + layout.thread_native_id) == native_id:
                return thread
            thread = memory.word(thread + layout.thread_next)
        interpreter = memory.word(interpreter + layout.interpreter_next)
    return None


def codes(memory: Memory, layout: Layout, addresses: Iterable[int]) -> Mapping[str, PythonCode]:
    """The code objects at these addresses, as Process.python has them. What cannot be read is left out."""
    found = {}
    for address in set(addresses) - {0}:
        try:
            found[f"{address:#x}"] = _code(memory, layout, address)
        except (OSError, ValueError):
            continue
    return found


def _code(memory: Memory, layout: Layout, address: int) -> PythonCode:
    table = memory.word(address + layout.code_line_table)
    size = memory.word(table + layout.bytes_length)
    return PythonCode(
        _text(memory, layout, memory.word(address + layout.code_name)),
        _text(memory, layout, memory.word(address + layout.code_file)),
        struct.unpack("<i", memory.read(address + layout.code_first_line, 4))[0],
        address + layout.code_instructions,
        memory.read(table + layout.bytes_data, size) if size <= _MOST_TABLE else b"",
    )


def _text(memory: Memory, layout: Layout, address: int) -> str:
    """A str (Include/cpython/unicodeobject.h: PyASCIIObject, PyCompactUnicodeObject). Raises ValueError if not."""
    length = memory.word(address + layout.text_length)
    state = struct.unpack("<I", memory.read(address + layout.text_state, 4))[0]
    # interned: 2 bits, from 3.14 on 16; then kind: 3 bits, compact, ascii.
    state = state if state & 0x1C else state >> 14
    kind, compact, ascii = state >> 2 & 7, state >> 5 & 1, state >> 6 & 1
    if not compact or kind not in (1, 2, 4):
        raise ValueError("no str")
    length = min(length, _MOST_TEXT)
    compact_bytes = 16 if layout.minor >= 12 else 24  # utf8_length, utf8; before 3.12 wstr_length, too
    start = layout.text_ascii + (0 if ascii else compact_bytes)
    data = memory.read(address + start, length * kind)
    return data.decode({1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[kind], "replace")


_HEAD = struct.Struct("<QIIII64s96s")


def unpacked(data: bytes) -> Optional[PythonCode]:
    """A code object as BPF has read it, struct python_code of bpf/python.h; None if its name could not be read."""
    if len(data) < _HEAD.size:
        return None
    instructions, first_line, table_length, file_length, _, name, file = _HEAD.unpack_from(data)
    name, file = (text.split(b"\0", 1)[0].decode("ascii", "replace") for text in (name, file))
    if not name:
        return None
    if file_length > len(file):  # its end alone fits
        file = f"…{file}"
    return PythonCode(name, file, first_line, instructions, data[_HEAD.size :][:table_length])

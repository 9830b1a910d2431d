"""Where things lie in an interpreter's memory.

From 3.13 on the interpreter says so itself: ``_PyRuntime`` begins with a ``_Py_DebugOffsets``
(Include/internal/pycore_runtime.h; from 3.14 on pycore_debug_offsets.h). Before, the structures of a minor version do
not change once it is out; their offsets are those of 64-bit machines, from the debug information of 3.11.7 and 3.12.1.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Callable, Optional

from ..elf import Elf
from ..files import Files
from ..modules import Module, Modules
from ..raw import Process

Read = Callable[[int, int], bytes]  # address, bytes → what is there; raises OSError

_FILE = re.compile(r"(?:lib)?python3\.(\d+)(?:\.so[\d.]*)?$")
_COOKIE = b"xdebugpy"
_NO_OFFSET = 0xFFFFFFFF
_PACKED = struct.Struct("<QQ24I")
_AT_CODE_MASK, _AT_FRAME_OWNER, _AT_FRAME_ENTRY, _AT_ENTRY_OWNER = 1, 12, 13, 14  # its members


@dataclass(frozen=True)
class Layout:
    """Offsets in bytes. ``runtime`` is the address of ``_PyRuntime`` in the process.

    A thread's current frame: the pointer at ``thread_frame`` of its PyThreadState; if ``cframe_frame`` is not None,
    that points to a _PyCFrame first, which has the frame at ``cframe_frame``. A frame whose byte at ``frame_owner`` is
    ``entry_owner`` or more belongs to no function: there the interpreter was entered from C. In 3.11 instead, a frame
    whose byte at ``frame_entry`` is not 0 is the first since it was entered.
    """

    minor: int
    interpreters_head: int
    interpreter_next: int
    threads_head: int
    thread_next: int
    thread_native_id: int
    thread_frame: int
    cframe_frame: Optional[int]
    frame_previous: int
    frame_code: int
    frame_instruction: int
    frame_owner: int
    frame_entry: Optional[int]
    entry_owner: int
    code_file: int
    code_name: int
    code_line_table: int
    code_first_line: int
    code_instructions: int
    text_ascii: int  # where the characters of an ASCII string begin
    text_length: int = 16
    text_state: int = 32
    bytes_length: int = 16
    bytes_data: int = 32
    code_mask: int = 0xFFFFFFFFFFFFFFFF  # of a frame's pointer to its code: 3.14 has tags in the lowest bits
    runtime: int = 0

    def packed(self) -> bytes:
        """As struct python of bpf/python.h."""
        cframe = _NO_OFFSET if self.cframe_frame is None else self.cframe_frame
        entry = self.frame_owner if self.frame_entry is None else self.frame_entry  # whatever lies there
        words = (self.frame_previous, self.frame_code, self.frame_instruction)
        frame_bytes = max(8 + max(words), 1 + self.frame_owner, 1 + entry)
        return _PACKED.pack(
            self.runtime, self.code_mask, self.interpreters_head, self.interpreter_next, self.threads_head,
            self.thread_next, self.thread_native_id, self.thread_frame, cframe, self.frame_previous, self.frame_code,
            self.frame_instruction, self.frame_owner, entry, self.entry_owner, self.code_file, self.code_name,
            self.code_line_table, self.code_first_line, self.code_instructions, self.text_ascii, self.text_length,
            self.text_state, self.bytes_length, self.bytes_data, frame_bytes,
        )


def meant(packed: bytes, running: Iterable[tuple[int, int, int, int]]) -> tuple[tuple[int, int], ...]:
    """Frames as ``frames`` has them, of what BPF has read of each by a packed layout: code, instruction, and the bytes
    for owner and entry."""
    known = _PACKED.unpack(packed)
    has_entry = known[_AT_FRAME_ENTRY] != known[_AT_FRAME_OWNER]
    found: list[tuple[int, int]] = []
    for code, instruction, owner, entry in running:
        if owner >= known[_AT_ENTRY_OWNER]:
            found.append((0, 0))
            continue
        found.append((code & known[_AT_CODE_MASK], instruction))
        if has_entry and entry:
            found.append((0, 0))
    return tuple(found)


# FRAME_OWNED_BY_CSTACK is 3 in 3.12 and 3.13; in 3.14 FRAME_OWNED_BY_INTERPRETER is 3, and FRAME_OWNED_BY_CSTACK 4.
_ENTRY_OWNER = 3
_NEVER = 256

_TABLES: Mapping[int, Layout] = {
    11: Layout(
        11, interpreters_head=40, interpreter_next=0, threads_head=16, thread_next=8, thread_native_id=160,
        thread_frame=56, cframe_frame=8, frame_previous=48, frame_code=32, frame_instruction=56, frame_owner=69,
        frame_entry=68, entry_owner=_NEVER, code_file=112, code_name=128, code_line_table=136, code_first_line=72,
        code_instructions=184, text_ascii=48,
    ),
    12: Layout(
        12, interpreters_head=40, interpreter_next=0, threads_head=72, thread_next=8, thread_native_id=144,
        thread_frame=56, cframe_frame=0, frame_previous=8, frame_code=0, frame_instruction=56, frame_owner=70,
        frame_entry=None, entry_owner=_ENTRY_OWNER, code_file=112, code_name=128, code_line_table=136,
        code_first_line=68, code_instructions=192, text_ascii=40,
    ),
}

# _Py_DebugOffsets: its members after cookie, version and free_threaded, each 8 bytes, up to the last that is needed.
_GROUPS: Mapping[int, Mapping[str, str]] = {
    13: {
        "runtime": "size finalizing interpreters_head",
        "interpreter": "size id next threads_head gc imports_modules sysdict builtins ceval_gil gil_runtime_state "
                       "gil_enabled gil_locked gil_holder",
        "thread": "size prev next interp current_frame thread_id native_thread_id datastack_chunk status",
        "frame": "size previous executable instr_ptr localsplus owner",
        "code": "size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds "
                "co_code_adaptive",
        "object": "size ob_type",
        "type": "size tp_name tp_repr tp_flags",
        "tuple": "size ob_item ob_size",
        "list": "size ob_item ob_size",
        "dict": "size ma_keys ma_values",
        "float": "size ob_fval",
        "long": "size lv_tag ob_digit",
        "bytes": "size ob_size ob_sval",
        "text": "size state length asciiobject_size",
    },
}
_GROUPS = {**_GROUPS, 14: {
    **_GROUPS[13],
    "interpreter": "size id next threads_head threads_main gc imports_modules sysdict builtins ceval_gil "
                   "gil_runtime_state gil_enabled gil_locked gil_holder code_object_generation tlbc_generation",
    "frame": "size previous executable instr_ptr localsplus owner stackpointer tlbc_index",
    "code": _GROUPS[13]["code"] + " co_tlbc",
    "list": _GROUPS[13]["list"] + " set_size set_used set_table set_mask",
}}


def layout_of(process: Process, files: Files, read: Read) -> Optional[Layout]:
    """Where things lie in a process; None if it runs no CPython of a version that is known here.

    ``read``: reads its memory.
    """
    for module in Modules(process.maps).all:
        found = _FILE.search(module.mapped.path)
        if found is None:
            continue
        address = _runtime(process, module, files)
        layout = _layout(int(found.group(1)), address, read) if address is not None else None
        if layout is not None:
            return layout
    return None


def _runtime(process: Process, module: Module, files: Files) -> Optional[int]:
    """The address of _PyRuntime, which has a section of its own: a stripped file tells, too."""
    file = files.open(process, module.mapped)
    if file is None:
        return None
    try:
        elf = Elf(lambda offset, size: os.pread(file, size, offset))
        section = next((one for one in elf.sections if one.name == ".PyRuntime"), None)
        symbol = elf.object("_PyRuntime") if section is None else None
        address = section.address if section is not None else symbol.address if symbol is not None else None
        return None if address is None else address - (elf.first_address & ~0xFFF) + module.start
    except (ValueError, OSError):
        return None
    finally:
        os.close(file)


def _layout(minor: int, runtime: int, read: Read) -> Optional[Layout]:
    table = _TABLES.get(minor)
    if table is not None:
        return replace(table, runtime=runtime)
    groups = _GROUPS.get(minor)
    if groups is None:
        return None
    names = [f"{group}.{name}" for group, members in groups.items() for name in members.split()]
    try:
        head = read(runtime, 24 + 8 * len(names))
    except OSError:
        return None
    if len(head) < 24 + 8 * len(names) or head[:8] != _COOKIE:
        return None
    version, free_threaded = struct.unpack_from("<QQ", head, 8)
    if version >> 16 != 3 << 8 | minor or free_threaded:  # without the GIL, pointers have tags in other places
        return None
    return _of_offsets(minor, runtime, dict(zip(names, struct.unpack_from(f"<{len(names)}Q", head, 24))))


def _of_offsets(minor: int, runtime: int, offsets: Mapping[str, int]) -> Layout:
    return Layout(
        minor,
        interpreters_head=offsets["runtime.interpreters_head"],
        interpreter_next=offsets["interpreter.next"],
        threads_head=offsets["interpreter.threads_head"],
        thread_next=offsets["thread.next"],
        thread_native_id=offsets["thread.native_thread_id"],
        thread_frame=offsets["thread.current_frame"],
        cframe_frame=None,
        frame_previous=offsets["frame.previous"],
        frame_code=offsets["frame.executable"],
        frame_instruction=offsets["frame.instr_ptr"],
        frame_owner=offsets["frame.owner"],
        frame_entry=None,
        entry_owner=_ENTRY_OWNER,
        code_file=offsets["code.filename"],
        code_name=offsets["code.qualname"],
        code_line_table=offsets["code.linetable"],
        code_first_line=offsets["code.firstlineno"],
        code_instructions=offsets["code.co_code_adaptive"],
        text_ascii=offsets["text.asciiobject_size"],
        text_length=offsets["text.length"],
        text_state=offsets["text.state"],
        bytes_length=offsets["bytes.ob_size"],
        bytes_data=offsets["bytes.ob_sval"],
        code_mask=0xFFFFFFFFFFFFFFFC if minor >= 14 else 0xFFFFFFFFFFFFFFFF,
        runtime=runtime,
    )

"""The address space of one process as libdw sees it: walks a copied stack, and says what is at an address."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_bool, c_int, c_size_t, c_uint64, c_void_p, cast
from dataclasses import dataclass, replace
from typing import Any, Optional

from oomtrace.model import CodeFrame, Ending

from . import libdw
from .files import Files
from .machine import Registers
from .modules import Modules
from .raw import Process, RawStack
from .walked import MOST_FRAMES, Copy, Step, Walked

_INLINED = 0x1D  # dwarf.h: DW_TAG_inlined_subroutine
_SUBPROGRAM = 0x2E
_LINKAGE_NAMES = (0x6E, 0x2007)  # DW_AT_linkage_name, DW_AT_MIPS_linkage_name
_CALL_FILE, _CALL_LINE = 0x58, 0x59
_STT_NOTYPE, _STT_FUNC, _STT_GNU_IFUNC = 0, 2, 10


@dataclass(frozen=True)
class _Current:
    """The thread that is being walked."""

    registers: Registers
    copy: Copy


class Dwfl:
    """One process. Raises OSError if libdw cannot make a session of it. Close it after use."""

    def __init__(self, library: Any, process: Process, files: Files, modules: Modules) -> None:
        self._library = library
        self._process = process
        self._files = files
        self._modules = modules
        self._by_base = {module.start: module for module in modules.all}
        self._without_file: set[int] = set()  # starts of modules whose file cannot be had
        self._current: Optional[_Current] = None
        self._steps: list[Step] = []
        self._attached: Optional[bool] = None
        self._keep_callbacks()
        self._session: Any = library.dwfl_begin(byref(self._callbacks))
        if not self._session:
            raise OSError("dwfl_begin failed")
        self._report()

    def close(self) -> None:
        """Gives back what libdw holds."""
        if self._session:
            self._library.dwfl_end(self._session)
            self._session = None

    def walk(self, raw: RawStack, registers: Registers) -> Optional[Walked]:
        """The addresses of a thread's frames; None if libdw cannot begin, since no file of the process can be had."""
        if self._attached is None:
            self._attached = bool(self._library.dwfl_attach_state(
                self._session, None, self._process.tgid, byref(self._thread_callbacks), None))
        if not self._attached:
            return None
        copy = Copy(registers.sp, raw.stack, registers.machine.word_bytes)
        self._current, self._steps = _Current(registers, copy), []
        status = self._library.dwfl_getthread_frames(self._session, self._process.tgid, self._frame, None)
        return Walked(tuple(self._steps), self._ending(status, copy, raw))

    def frames(self, step: Step) -> tuple[CodeFrame, ...]:
        """What is at an address: the function, before it those that the compiler has put into it."""
        mapped = self._modules.at(step.address)
        module = self._library.dwfl_addrmodule(self._session, step.address)
        if mapped is None or not module:
            return ()
        bias = c_uint64()
        if not self._library.dwfl_module_getelf(module, byref(bias)):
            return ()
        name, start = self._symbol(module, step.address)
        source, line = self._source(module, step.address)
        where = CodeFrame(name, mapped.mapped.path, start - bias.value, source, line, build_id=mapped.mapped.build_id)
        inlined = self._inlined(module, where, step.address)
        return inlined or (where,)

    def _keep_callbacks(self) -> None:
        """What C calls must be kept as long as the session."""
        debug = f":.debug:/usr/lib/debug:{self._files.proc}/{self._process.tgid}/root/usr/lib/debug"
        if self._process.root is not None:
            debug += f":{self._process.root}/usr/lib/debug"
        self._debug_path = ctypes.c_char_p(debug.encode("utf-8", "surrogateescape"))
        self._callbacks = libdw.Callbacks(
            libdw.FIND_ELF(self._find_elf), cast(self._library.dwfl_standard_find_debuginfo, c_void_p), None,
            ctypes.pointer(self._debug_path),
        )
        self._thread_callbacks = libdw.ThreadCallbacks(
            libdw.NEXT_THREAD(self._next_thread), libdw.GET_THREAD(lambda *_: True),
            libdw.MEMORY_READ(self._memory_read), libdw.SET_REGISTERS(self._set_registers), None, None,
        )
        self._frame = libdw.FRAME(self._on_frame)

    def _report(self) -> None:
        library = self._library
        library.dwfl_report_begin(self._session)
        for module in self._modules.all:
            name = module.mapped.path.encode("utf-8", "surrogateescape")
            reported = library.dwfl_report_module(self._session, name, module.start, module.end)
            build_id = module.mapped.build_id
            if reported and build_id:
                library.dwfl_module_report_build_id(reported, bytes.fromhex(build_id), len(build_id) // 2, 0)
        library.dwfl_report_end(self._session, None, None)

    def _find_elf(self, dwfl_module: int, data: int, name: bytes, base: int, file_name: Any, elf: int) -> int:
        module = self._by_base.get(base)
        if module is None:
            return -1
        file = self._files.open(self._process, module.mapped)
        if file is not None:
            file_name[0] = libdw.libc().strdup(name)
            return file
        # By its build id: in /usr/lib/debug, and from debuginfod.
        found: int = self._library.dwfl_build_id_find_elf(dwfl_module, data, name, base, file_name, elf)
        if found < 0:
            self._without_file.add(base)
        return found

    def _next_thread(self, session: int, argument: int, thread: Any) -> int:
        if thread[0]:
            return 0
        thread[0] = 1
        return self._process.tgid

    def _memory_read(self, session: int, address: int, result: Any, argument: int) -> bool:
        word = self._current.copy.word(address) if self._current is not None else None
        if word is None:
            return False
        result[0] = word
        return True

    def _set_registers(self, thread: int, argument: int) -> bool:
        assert self._current is not None
        registers = self._current.registers
        values = (c_uint64 * len(registers.dwarf))(*registers.dwarf)
        if not self._library.dwfl_thread_state_registers(thread, 0, len(registers.dwarf), values):
            return False
        if registers.machine.pc_alone:
            self._library.dwfl_thread_state_register_pc(thread, registers.pc)
        return True

    def _on_frame(self, frame: int, argument: int) -> int:
        pc, exact = c_uint64(), c_bool()
        if not self._library.dwfl_frame_pc(frame, byref(pc), byref(exact)):
            return libdw.STOP
        # The first address is what runs; the others are returned to, and the call is before them.
        step = Step(pc.value if exact.value else pc.value - 1, exact.value)
        if self._steps and self._modules.mapped(step.address) is None:  # what was taken for a return address is none
            return libdw.STOP
        self._steps.append(step)
        return libdw.CONTINUE if len(self._steps) < MOST_FRAMES else libdw.STOP

    def _ending(self, status: int, copy: Copy, raw: RawStack) -> Optional[Ending]:
        """libdw's status alone does not tell: where memory cannot be read it is that of a stack's end."""
        module = self._modules.at(self._steps[-1].address) if self._steps else None
        if module is not None and module.start in self._without_file:
            return Ending.NO_FILE
        if copy.ended and not raw.whole:
            return Ending.CUT
        return Ending.BROKEN if status or copy.failed else None

    def _symbol(self, module: int, address: int) -> tuple[Optional[str], int]:
        """The function, and where it begins; None and the address itself if nothing names it."""
        offset, symbol = c_uint64(), libdw.Sym()
        name = self._library.dwfl_module_addrinfo(module, address, byref(offset), byref(symbol), None, None, None)
        if name is None or symbol.st_info & 0xF not in (_STT_NOTYPE, _STT_FUNC, _STT_GNU_IFUNC):
            return None, address
        if symbol.st_size and offset.value >= symbol.st_size:  # the function before the one that has no name
            return None, address
        return _text(name).partition("@")[0], address - offset.value  # "@@GLIBC_2.34": the version of the symbol

    def _source(self, module: int, address: int) -> tuple[Optional[str], Optional[int]]:
        found = self._library.dwfl_module_getsrc(module, address)
        if not found:
            return None, None
        line = c_int()
        name = self._library.dwfl_lineinfo(found, None, byref(line), None, None, None)
        return (_text(name), line.value or None) if name is not None else (None, None)

    def _inlined(self, module: int, outer: CodeFrame, address: int) -> tuple[CodeFrame, ...]:
        """The frame, after the frames of the functions that were put into it, innermost first; () if there are none.

        The source of an address is the innermost one's; each next one's is where it called.
        """
        library, bias = self._library, c_uint64()
        unit = library.dwfl_module_addrdie(module, address, byref(bias))
        if not unit:
            return ()
        scopes = ctypes.POINTER(libdw.Die)()
        count = library.dwarf_getscopes(unit, address - bias.value, byref(scopes))
        if count <= 0:
            return ()
        try:
            frames, source, line = [], outer.source, outer.line
            for at in range(count):
                scope = ctypes.pointer(scopes[at])
                if library.dwarf_tag(scope) == _SUBPROGRAM:
                    break
                if library.dwarf_tag(scope) == _INLINED:
                    name = self._die_name(scope)
                    frames.append(replace(outer, function=name, source=source, line=line, inlined=True))
                    source, line = self._called(unit, scope)
            return (*frames, replace(outer, source=source, line=line)) if frames else ()
        finally:
            libdw.libc().free(scopes)

    def _die_name(self, die: Any) -> Optional[str]:
        attribute = libdw.Attribute()
        for code in _LINKAGE_NAMES:  # it says of which class, or crate
            if self._library.dwarf_attr_integrate(die, code, byref(attribute)):
                name = self._library.dwarf_formstring(byref(attribute))
                if name is not None:
                    return _text(name)
        name = self._library.dwarf_diename(die)
        return _text(name) if name is not None else None

    def _called(self, unit: Any, die: Any) -> tuple[Optional[str], Optional[int]]:
        """Where the function was called that the compiler has put here."""
        line, file = self._number(die, _CALL_LINE), self._number(die, _CALL_FILE)
        files, count = c_void_p(), c_size_t()
        if file is None or self._library.dwarf_getsrcfiles(unit, byref(files), byref(count)) != 0:
            return None, line
        name = self._library.dwarf_filesrc(files, file, None, None)
        return (_text(name) if name is not None else None), line

    def _number(self, die: Any, code: int) -> Optional[int]:
        attribute, value = libdw.Attribute(), c_uint64()
        if not self._library.dwarf_attr_integrate(die, code, byref(attribute)):
            return None
        return value.value if self._library.dwarf_formudata(byref(attribute), byref(value)) == 0 else None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")



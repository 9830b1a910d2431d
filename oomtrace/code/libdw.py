"""elfutils' libdw, through ctypes: the functions that unwinding and naming need, with their types."""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, c_bool, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from functools import cache
from typing import Any, Optional

PACKAGE = "libdw1"  # Debian's and Ubuntu's name for it; elsewhere it is elfutils-libs

FIND_ELF = CFUNCTYPE(c_int, c_void_p, c_void_p, c_char_p, c_uint64, POINTER(c_void_p), c_void_p)
NEXT_THREAD = CFUNCTYPE(c_int, c_void_p, c_void_p, POINTER(c_void_p))
GET_THREAD = CFUNCTYPE(c_bool, c_void_p, c_int, c_void_p, POINTER(c_void_p))
MEMORY_READ = CFUNCTYPE(c_bool, c_void_p, c_uint64, POINTER(c_uint64), c_void_p)
SET_REGISTERS = CFUNCTYPE(c_bool, c_void_p, c_void_p)
FRAME = CFUNCTYPE(c_int, c_void_p, c_void_p)

CONTINUE, STOP = 0, 1  # libdw.h: DWARF_CB_OK, DWARF_CB_ABORT


class Callbacks(Structure):
    """libdwfl.h: Dwfl_Callbacks."""

    _fields_ = [
        ("find_elf", FIND_ELF), ("find_debuginfo", c_void_p), ("section_address", c_void_p),
        ("debuginfo_path", POINTER(c_char_p)),
    ]


class ThreadCallbacks(Structure):
    """libdwfl.h: Dwfl_Thread_Callbacks."""

    _fields_ = [
        ("next_thread", NEXT_THREAD), ("get_thread", GET_THREAD), ("memory_read", MEMORY_READ),
        ("set_initial_registers", SET_REGISTERS), ("detach", c_void_p), ("thread_detach", c_void_p),
    ]


class Sym(Structure):
    """elf.h: Elf64_Sym, libdw's GElf_Sym for all files."""

    _fields_ = [
        ("st_name", ctypes.c_uint32), ("st_info", ctypes.c_uint8), ("st_other", ctypes.c_uint8),
        ("st_shndx", ctypes.c_uint16), ("st_value", c_uint64), ("st_size", c_uint64),
    ]


class Die(Structure):
    """libdw.h: Dwarf_Die."""

    _fields_ = [("addr", c_void_p), ("cu", c_void_p), ("abbrev", c_void_p), ("padding", ctypes.c_long)]


class Attribute(Structure):
    """libdw.h: Dwarf_Attribute."""

    _fields_ = [("code", c_uint), ("form", c_uint), ("valp", c_void_p), ("cu", c_void_p)]


_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "dwfl_begin": (c_void_p, (POINTER(Callbacks),)),
    "dwfl_end": (None, (c_void_p,)),
    "dwfl_report_begin": (None, (c_void_p,)),
    "dwfl_report_module": (c_void_p, (c_void_p, c_char_p, c_uint64, c_uint64)),
    "dwfl_report_end": (c_int, (c_void_p, c_void_p, c_void_p)),
    "dwfl_module_report_build_id": (c_int, (c_void_p, c_char_p, c_size_t, c_uint64)),
    "dwfl_build_id_find_elf": (c_int, (c_void_p, c_void_p, c_char_p, c_uint64, POINTER(c_void_p), c_void_p)),
    "dwfl_addrmodule": (c_void_p, (c_void_p, c_uint64)),
    "dwfl_module_getelf": (c_void_p, (c_void_p, POINTER(c_uint64))),
    "dwfl_module_addrinfo": (
        c_char_p,
        (c_void_p, c_uint64, POINTER(c_uint64), POINTER(Sym), POINTER(c_uint), POINTER(c_void_p), POINTER(c_uint64)),
    ),
    "dwfl_module_getsrc": (c_void_p, (c_void_p, c_uint64)),
    "dwfl_lineinfo": (
        c_char_p, (c_void_p, POINTER(c_uint64), POINTER(c_int), POINTER(c_int), POINTER(c_uint64), POINTER(c_uint64)),
    ),
    "dwfl_module_eh_cfi": (c_void_p, (c_void_p, POINTER(c_uint64))),
    "dwfl_module_dwarf_cfi": (c_void_p, (c_void_p, POINTER(c_uint64))),
    "dwfl_module_addrdie": (POINTER(Die), (c_void_p, c_uint64, POINTER(c_uint64))),
    "dwarf_getscopes": (c_int, (POINTER(Die), c_uint64, POINTER(POINTER(Die)))),
    "dwarf_tag": (c_int, (POINTER(Die),)),
    "dwarf_diename": (c_char_p, (POINTER(Die),)),
    "dwarf_attr_integrate": (POINTER(Attribute), (POINTER(Die), c_uint, POINTER(Attribute))),
    "dwarf_formstring": (c_char_p, (POINTER(Attribute),)),
    "dwarf_formudata": (c_int, (POINTER(Attribute), POINTER(c_uint64))),
    "dwarf_getsrcfiles": (c_int, (POINTER(Die), POINTER(c_void_p), POINTER(c_size_t))),
    "dwarf_filesrc": (c_char_p, (c_void_p, c_size_t, c_void_p, c_void_p)),
    "dwfl_attach_state": (c_bool, (c_void_p, c_void_p, c_int, POINTER(ThreadCallbacks), c_void_p)),
    "dwfl_thread_state_registers": (c_bool, (c_void_p, c_int, c_uint, POINTER(c_uint64))),
    "dwfl_thread_state_register_pc": (None, (c_void_p, c_uint64)),
    "dwfl_getthread_frames": (c_int, (c_void_p, c_int, FRAME, c_void_p)),
    "dwfl_frame_pc": (c_bool, (c_void_p, POINTER(c_uint64), POINTER(c_bool))),
    "dwfl_frame_reg": (c_int, (c_void_p, c_uint, POINTER(c_uint64))),
    "dwfl_errno": (c_int, ()),
    "dwfl_errmsg": (c_char_p, (c_int,)),
}
_LATER = {"dwfl_frame_reg"}  # elfutils 0.188


@cache
def libdw() -> Optional[Any]:
    """The library; None if it is missing, or is older than what is asked of it (elfutils 0.158)."""
    try:
        library = ctypes.CDLL("libdw.so.1")
        for name, (result, arguments) in _FUNCTIONS.items():
            if name in _LATER and not hasattr(library, name):
                continue
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return library


@cache
def libc() -> Any:
    """The C library: what libdw frees must be its."""
    library = ctypes.CDLL(None)
    library.strdup.restype, library.strdup.argtypes = c_void_p, (c_char_p,)
    library.free.restype, library.free.argtypes = None, (c_void_p,)
    return library

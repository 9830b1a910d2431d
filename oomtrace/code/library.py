"""Which frames are of the program, and which of what every program has: the C library, a language's run time.

A developer begins at the innermost frame of the program: who called malloc, not malloc.
"""

from __future__ import annotations

import re

from oomtrace.model import CodeFrame

# Files: the C and C++ libraries, the dynamic linker, allocators, interpreters.
_FILES = re.compile(
    r"(?:ld(?:-linux[\w-]*|-musl-\w+|-\d[\d.]*)?\.so|libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+|libc\+\+\w*"
    r"|libjemalloc|libtcmalloc\w*|libmimalloc|libpython\d[\d.]*)(?:[.-][\w.]*)?$|python\d[\d.]*$|\[vdso\]$"
)
# Functions: what compilers put into the program's own file, and the C library where that is in it.
_FUNCTIONS = re.compile(
    r"__mem[a-z]+(?:_\w+)?$|mem(?:set|cpy|move|pcpy)$|_int_(?:malloc|realloc|memalign|free)$|sysmalloc\w*$"
    r"|(?:__libc_|__)?(?:malloc|calloc|realloc|memalign|aligned_alloc|mmap64|mmap|sbrk|brk)$|posix_memalign$"
    r"|_start$|_?_libc_\w+$|__rust_|__rg_|__rdl_|_start_c$|frame_dummy$"
    r"|(?:<?(?:&mut |&|\[)*(?:alloc|core|std|hashbrown)::)"  # Rust's, and C++'s std::
    r"|operator (?:new|delete)|void std::|__gnu_cxx::|runtime\.|internal/|reflect\."  # Go's
)
_PYTHON_ITSELF = re.compile(r"<frozen |.*/lib(?:64)?/python\d[\d.]*/(?!site-packages/|dist-packages/)")
_FIRST = frozenset((
    "_start", "start_thread", "clone", "__clone", "clone3", "__clone3", "thread_start", "runtime.goexit",
    "runtime.goexit.abi0", "runtime.rt0_go", "runtime.mstart",
))


def is_first(frame: CodeFrame) -> bool:
    """Is it the function with which a thread begins?"""
    return frame.function in _FIRST


def is_library(frame: CodeFrame) -> bool:
    """Is the frame of a system library or a run time?"""
    if frame.language == "python":
        return frame.source is not None and _PYTHON_ITSELF.match(frame.source) is not None
    name = (frame.module or "").rsplit("/", 1)[-1]
    if name and _FILES.match(name) is not None:
        return True
    return frame.function is not None and _FUNCTIONS.match(frame.function) is not None

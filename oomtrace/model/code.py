"""Whose code: the stacks of processes around an OOM, and who charged the memory.

A stack is of code in user space. Frames stand in one table and stacks are indexes into it, innermost first, since a
thousand stacks share most of their frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from .word import Word


class Charge(Word):
    """What kind of memory was charged, by the part of the kernel that charged it."""

    ANON = "anonymous"
    FILE = "file"
    SHMEM = "shmem"
    KERNEL = "kernel"


class Ending(Word):
    """Why the outermost frames of a stack are not known."""

    CUT = "cut"  # the copy of the stack was too small
    SHORT = "short"  # only frame pointers could be followed, and most programs have none
    BROKEN = "broken"  # the file has no rule for going on, or its rule leads nowhere
    NO_FILE = "no file"  # the file of a frame could not be opened, or is another one by now
    NOT_SEEN = "process not seen"  # it was gone before anybody could look at what it had mapped


class Moment(Word):
    """When the frames of an interpreted program were read, if a stack has such."""

    SAME = "the same"  # with the machine's frames: they belong together
    OTHER = "another"  # before or after: the thread may have gone on


class NoStack(Word):
    """Why a thread has no stack of user space here."""

    KERNEL_THREAD = "kernel thread"  # it has none
    EXITING = "exiting"  # its memory was gone already
    NOT_READABLE = "not readable"  # its stack was not in memory at that moment
    OTHER_MACHINE = "code for another machine"  # 32-bit code on a 64-bit kernel
    NOT_TAKEN = "not taken"  # the trace did not take it, or lost it


@dataclass(frozen=True)
class CodeFrame:
    """A place in code. ``function`` None: nothing names it; then ``module`` and ``offset`` say where it is.

    ``offset`` is an address within the module as its file has it, which is what addr2line takes: where the function
    begins or, if nothing names it, the place itself. Where there is no module, it is the address in the process.
    ``module`` is the path that the process has for it; None: memory without a file (code made at run time), or, in a
    stack that ends with ``NOT_SEEN``, not known.
    """

    function: Optional[str] = None
    module: Optional[str] = None
    offset: Optional[int] = None
    source: Optional[str] = None  # the file of its source
    line: Optional[int] = None
    language: Optional[str] = None  # "python": a function of the interpreted program; None: machine code
    inlined: bool = False  # the compiler has put it into the next frame
    library: bool = False  # of a system library or a language's run time: not the program's own
    build_id: Optional[str] = None  # of the module, hexadecimal

    @property
    def name(self) -> str:
        """The function, or ``module+0x1234``; without a module the address."""
        if self.function is not None:
            return self.function
        if self.module is None:
            return "[unknown]" if self.offset is None else f"{self.offset:#x}"
        module = self.module.rsplit("/", 1)[-1]
        return module if self.offset is None else f"{module}+{self.offset:#x}"

    @property
    def place(self) -> Optional[str]:
        """The source, as ``catalog.c:7``; None where no source is known."""
        if self.source is None:
            return None
        file = self.source.rsplit("/", 1)[-1]
        return file if self.line is None else f"{file}:{self.line}"


@dataclass(frozen=True)
class CodeStack:
    """A stack: indexes of frames, the innermost first. ``ends`` None: it reaches the thread's first function."""

    frames: tuple[int, ...] = ()
    ends: Optional[Ending] = None
    interpreted: Optional[Moment] = None  # None: it has no frames of an interpreted program


@dataclass(frozen=True)
class CodeSample:
    """What was charged at a stack. Samples of one stack, process and kind are one, with their bytes summed.

    ``charged_bytes`` is an estimate: each sample stands for the bytes charged since the last one.
    """

    stack: Optional[int]  # index; None: it has no stack (``none``)
    pid: int
    tgid: int
    comm: str
    charged_bytes: int
    samples: int = 1
    kind: Optional[Charge] = None
    memcg: Optional[str] = None
    none: Optional[NoStack] = None


@dataclass(frozen=True)
class ThreadStack:
    """Where a thread was."""

    pid: int
    tgid: Optional[int] = None
    comm: Optional[str] = None
    stack: Optional[int] = None  # index; None: it has none (``none``)
    none: Optional[NoStack] = None


@dataclass(frozen=True)
class Code:
    """The code around an OOM, or of a command that ended without one.

    Charged is not kept: memory that was charged and given back is in the samples, too.
    """

    frames: tuple[CodeFrame, ...] = ()
    stacks: tuple[CodeStack, ...] = ()
    samples: tuple[CodeSample, ...] = ()  # the largest first
    asker: Optional[ThreadStack] = None  # the thread that asked for memory, at out_of_memory()
    victim: Optional[ThreadStack] = None  # the victim, as it takes the signal
    victim_charged: Optional[ThreadStack] = None  # the thread of the victim that charged last, at that moment
    window_ns: Optional[int] = None  # from the first sample to the OOM
    sample_bytes: Optional[int] = None  # about how many bytes a sample stands for
    samples_lost: Optional[int] = None  # within the window
    unwinder: Optional[str] = None  # "libdw"; "frame pointers": where elfutils' libdw is missing

    def walk(self, stack: Optional[int]) -> Iterator[CodeFrame]:
        """The frames of a stack, innermost first; none if there is no such stack."""
        if stack is not None and 0 <= stack < len(self.stacks):
            for index in self.stacks[stack].frames:
                if 0 <= index < len(self.frames):
                    yield self.frames[index]

    @property
    def charged_bytes(self) -> int:
        """What all samples stand for."""
        return sum(sample.charged_bytes for sample in self.samples)

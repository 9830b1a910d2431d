"""What a trace copies of a thread, and what must be known of its process to make frames of that.

The registers are bytes of the kernel's ``struct pt_regs`` as they lay at the top of the thread's kernel stack, and the
stack is a copy of user memory from the stack pointer upwards: who captures needs to know nothing of machines.

All of it goes through JSON (``oomtrace.plain``: ``to_plain`` and ``from_plain``; bytes as base64), and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

from oomtrace.model import Charge, NoStack


@dataclass(frozen=True)
class RawStack:
    """A thread at one moment.

    ``none``: why there is nothing; the rest is then left empty. ``whole``: the copy goes up to where the stack's
    mapping ends, so that what lies beyond it was not cut off. A copy shorter than asked for because a read failed at
    the top of the stack is whole; one that ends at the size of the copy is not.
    """

    registers: bytes = b""  # struct pt_regs
    stack: bytes = b""  # user memory from the stack pointer on
    whole: bool = False
    # Frames of CPython at the same moment, innermost first: the address of the code object, and of the instruction in
    # it; (0, 0) where the interpreter was entered from C (python/walk.py says how). None: nobody walked them.
    interpreter: Optional[tuple[tuple[int, int], ...]] = None
    none: Optional[NoStack] = None


@dataclass(frozen=True)
class RawSample:
    """A stack and what was charged there. ``pid`` and ``tgid`` are those of the first pid namespace."""

    pid: int
    tgid: int
    comm: str
    stack: RawStack
    charged_bytes: int = 0  # since the sample before; 0 for the stacks of asker and victim
    kind: Optional[Charge] = None
    memcg: Optional[str] = None  # its path
    before_ns: Optional[int] = None  # how long before the OOM


@dataclass(frozen=True)
class PythonCode:
    """A code object of CPython, as it lay in the process. ``first_instruction``: the address of its byte code."""

    name: str  # co_qualname
    file: str  # co_filename
    first_line: int
    first_instruction: int
    line_table: bytes = b""  # co_linetable (PEP 626)


@dataclass(frozen=True)
class MappedFile:
    """A line of /proc/PID/maps that is executable, or belongs to a file that has such lines."""

    start: int
    end: int
    executable: bool
    file_offset: int
    device: str
    inode: int
    path: str  # as the process has it; "" for anonymous memory; without " (deleted)"
    build_id: Optional[str] = None  # of the file that was mapped


@dataclass(frozen=True)
class Process:
    """What must be known of a process for its frames, after it has gone as well.

    ``look()`` makes one of a process that lives.
    """

    tgid: int
    ns_tgid: Optional[int] = None  # its number in its own pid namespace: perf maps have that in their names
    started: Optional[int] = None  # field 22 of /proc/PID/stat: tells it from a later process of the same number
    maps: tuple[MappedFile, ...] = ()
    root: Optional[str] = None  # where its files lie after it has gone: the root of its container
    perf_map: str = ""  # what it had in /tmp/perf-PID.map
    python_layout: bytes = b""  # where its interpreter has things, as struct python of bpf/python.h
    python: Mapping[str, PythonCode] = field(default_factory=dict)  # code objects by address ("0x7f…")
    # What each thread of CPython ran when it was looked at, by pid: as RawStack.interpreter has it.
    python_threads: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class RawCode:
    """All that was captured around an OOM: give it to ``resolve()``, or keep it in a capture."""

    machine: str = "x86_64"  # as uname -m has it
    samples: tuple[RawSample, ...] = ()
    asker: Optional[RawSample] = None
    victim: Optional[RawSample] = None
    victim_charged: Optional[RawSample] = None
    processes: tuple[Process, ...] = ()
    window_ns: Optional[int] = None
    sample_bytes: Optional[int] = None
    samples_lost: Optional[int] = None

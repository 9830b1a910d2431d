"""What a trace has copied → frames with names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

from oomtrace.model import Code, CodeFrame, CodeSample, CodeStack, Ending, Moment, NoStack, ThreadStack

from . import interpreted
from .demangle import demangled
from .files import Files
from .libdw import libdw
from .library import is_first, is_library
from .machine import registers
from .raw import Process, RawCode, RawSample, RawStack
from .space import Space


@dataclass(frozen=True)
class _Resolved:
    """A stack with its frames, before they have their places in tables."""

    frames: tuple[CodeFrame, ...]
    ends: Optional[Ending]
    interpreted: Optional[Moment] = None


class Resolver:
    """Stacks of several processes. Close it after use."""

    def __init__(
        self, machine: str, processes: tuple[Process, ...], files: Files, without_libdw: bool = False
    ) -> None:
        self._machine = machine
        self._processes = {process.tgid: process for process in processes}
        self._files = files
        self._without_libdw = without_libdw
        self._spaces: dict[int, Space] = {}
        self._last: dict[int, tuple[tuple[int, int], ...]] = {}  # by pid: what its last sample ran in Python

    def sampled(self, samples: tuple[RawSample, ...]) -> None:
        """Remember what threads have run last."""
        for one in sorted(samples, key=lambda one: -(one.before_ns or 0)):
            if one.stack.interpreter is not None:
                self._last[one.pid] = one.stack.interpreter

    def close(self) -> None:
        """Gives back what libraries hold."""
        for space in self._spaces.values():
            space.close()

    def stack(self, pid: int, tgid: int, raw: RawStack, roughly: bool = False) -> Optional[_Resolved]:
        """A stack in words; None if there is none. ``roughly``: frames of Python may be of another moment."""
        found = registers(self._machine, raw.registers) if raw.none is None else None
        if found is None:
            return None
        if tgid not in self._processes:
            return _Resolved((CodeFrame(offset=found.pc),), Ending.NOT_SEEN)
        space = self._space(tgid)
        walked = space.walk(raw, found)
        frames = tuple(frame for step in walked.steps for frame in space.frames(step))
        ends = None if frames and is_first(frames[-1]) else walked.ends
        process = self._processes[tgid]
        running, moment = raw.interpreter, Moment.SAME
        if running is None and roughly:
            running, moment = self._last.get(pid, process.python_threads.get(str(pid))), Moment.OTHER
        if not running or not (moment is Moment.SAME or interpreted.is_running(frames)):
            return _Resolved(frames, ends)
        return _Resolved(interpreted.in_place(frames, running, process.python), ends, moment)

    def _space(self, tgid: int) -> Space:
        if tgid not in self._spaces:
            self._spaces[tgid] = Space(self._processes[tgid], self._files, self._without_libdw)
        return self._spaces[tgid]


class _Tables:
    """Frames and stacks, each once."""

    def __init__(self) -> None:
        self._frames: dict[CodeFrame, int] = {}
        self._stacks: dict[CodeStack, int] = {}

    def stack(self, resolved: _Resolved) -> int:
        """The index of a stack."""
        frames = tuple(self._frames.setdefault(frame, len(self._frames)) for frame in resolved.frames)
        return self._stacks.setdefault(CodeStack(frames, resolved.ends, resolved.interpreted), len(self._stacks))

    @property
    def frames(self) -> tuple[CodeFrame, ...]:
        """In words of the language that they were written in."""
        names = demangled(frame.function for frame in self._frames if frame.function is not None and not _is_go(frame))
        found = (frame if _is_go(frame) else replace(frame, function=names.get(frame.function or "", frame.function))
                 for frame in self._frames)
        return tuple(replace(frame, library=is_library(frame)) for frame in found)

    @property
    def stacks(self) -> tuple[CodeStack, ...]:
        """All."""
        return tuple(self._stacks)


def resolve(raw: RawCode, files: Optional[Files] = None, without_libdw: bool = False) -> Code:
    """The code around an OOM. ``files``: those that were kept open while the processes lived; without, files are found
    by path and build id. ``without_libdw``: frame pointers are followed, as where it is missing."""
    own = files if files is not None else Files()
    resolver, tables = Resolver(raw.machine, raw.processes, own, without_libdw), _Tables()
    try:
        resolver.sampled(raw.samples)
        samples = _samples(raw, resolver, tables)
        asker, victim, charged = (_thread(one, resolver, tables) for one in (raw.asker, raw.victim, raw.victim_charged))
        unwinder = "libdw" if libdw() is not None and not without_libdw else "frame pointers"
        return Code(
            tables.frames, tables.stacks, samples, asker, victim, charged, window_ns=raw.window_ns,
            sample_bytes=raw.sample_bytes, samples_lost=raw.samples_lost, unwinder=unwinder,
        )
    finally:
        resolver.close()
        if files is None:
            own.close()


def _is_go(frame: CodeFrame) -> bool:
    """Go's names have dots, and are written as they are."""
    return (frame.source or "").endswith(".go")


def _samples(raw: RawCode, resolver: Resolver, tables: _Tables) -> tuple[CodeSample, ...]:
    """Those of one stack, process and kind as one, the largest first."""
    found: dict[CodeSample, CodeSample] = {}
    for one in raw.samples:
        index = _index(one, resolver, tables)
        key = CodeSample(index, one.pid, one.tgid, one.comm, 0, 0, one.kind, one.memcg, _none(one, index))
        before = found.get(key, key)
        found[key] = replace(
            before, charged_bytes=before.charged_bytes + one.charged_bytes, samples=before.samples + 1
        )
    return tuple(sorted(found.values(), key=lambda one: -one.charged_bytes))


def _thread(one: Optional[RawSample], resolver: Resolver, tables: _Tables) -> Optional[ThreadStack]:
    if one is None:
        return None
    index = _index(one, resolver, tables, True)
    return ThreadStack(one.pid, one.tgid, one.comm, index, _none(one, index))


def _index(one: RawSample, resolver: Resolver, tables: _Tables, roughly: bool = False) -> Optional[int]:
    resolved = resolver.stack(one.pid, one.tgid, one.stack, roughly)
    return tables.stack(resolved) if resolved is not None else None


def _none(one: RawSample, index: Optional[int]) -> Optional[NoStack]:
    return None if index is not None else one.stack.none or NoStack.NOT_TAKEN



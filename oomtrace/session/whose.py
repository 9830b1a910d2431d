"""Whose code: looks at processes while they are alive, and makes frames of the stacks that were taken of them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Callable, Optional

from oomtrace import code
from oomtrace.facts import Facts
from oomtrace.model import Code, NoStack
from oomtrace.plain import to_plain
from oomtrace.session.allowance import Allowance
from oomtrace.session.reach import SafeReach
from oomtrace.session.slowness import slowness
from oomtrace.wire import samples
from oomtrace.wire.assemble import Oom
from oomtrace.wire.layout import Layout
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.near import Near, NearCause
from oomtrace.wire.oom_records import NameOf, OomRecords
from oomtrace.wire.samples import Sample
from oomtrace.wire.userstack import UserStack, stacks

_PROCESSES = 256  # that are remembered, the last ones
# In a storm not every process is looked at, and frames are not made of every OOM: the records that come meanwhile must
# be read.
_MOST_LOOKING_S, _MOST_READING_S, _MOST_RESOLVING_S = 1.0, 1.0, 2.0
_SAME_OOM_S = 1.0  # between its beginning and its decision it seldom takes longer


class Whose:
    """What is remembered of processes, and the files that they have mapped. ``keeps``: what frames were made of is kept
    for captures."""

    def __init__(
        self, keeps: bool = False, watch_python: Callable[[int, bytes], None] = lambda tgid, layout: None,
        python_code: Callable[[int, int], Optional[bytes]] = lambda tgid, address: None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """``watch_python`` has samples of a process say what Python runs, ``python_code`` tells what names a code
        object that they have met (live/tracer.py). ``meanwhile`` is called now and then while frames are made."""
        self._meanwhile = meanwhile
        self._keeps = keeps
        self._watch_python, self._python_code = watch_python, python_code
        self._files = code.Files(reach=SafeReach())
        self._processes: dict[int, code.Process] = {}
        self._samples: list[bytes] = []  # the newest when the last OOM began
        self._kept_s = 0.0
        slower = slowness()
        self._looking, self._reading, self._resolving = (
            Allowance(most_s, slower) for most_s in (_MOST_LOOKING_S, _MOST_READING_S, _MOST_RESOLVING_S)
        )

    def look(self, tgids: Iterable[int]) -> None:
        """Look at processes that may be about to go."""
        for tgid in tgids:
            if self._looking.used_up:
                return
            with self._looking.spending():
                self._look(tgid)

    def near(self, bell: Near) -> None:
        """Look at who has charged to a memcg that nears its limit. While it stays near, the same process is not looked
        at again, and one that starts a container is not at all: a hundred full memcgs would cost a percent of a CPU."""
        known = bell.cause is NearCause.STAYS_NEAR and bell.tgid in self._processes
        if bell.cause is not NearCause.FIRST_CHARGED and not known:
            self.look([bell.tgid])

    def _look(self, tgid: int) -> None:
        before = self._processes.pop(tgid, None)
        found = code.look(tgid, self._files, before) or before
        if found is not None:
            self._processes[tgid] = found
            if found.python_layout:
                self._watch_python(tgid, found.python_layout)
        while len(self._processes) > _PROCESSES:
            del self._processes[next(iter(self._processes))]

    def keep(self, read: Callable[[], list[bytes]]) -> None:
        """The samples that are there as an OOM begins, and again at its decision. Where there is no time to read them
        those of a moment ago, which are of the same OOM, stay; older ones would tell of another."""
        now = time.monotonic()
        if not self._reading.used_up:
            with self._reading.spending():
                self._samples, self._kept_s = read(), now
        elif now - self._kept_s > _SAME_OOM_S:
            self._samples = []

    def of(self, oom: Oom, layout: Layout, facts: Facts, name_of: NameOf) -> tuple[Optional[Code], Any]:
        """The code around an OOM, and what it was made of, for JSON, if that is kept. None where there is nothing of
        it, or no time for it."""
        found = stacks(oom.records, layout)
        before = self._before(oom, layout, name_of) if self._samples else []
        if not (found or before) or self._resolving.used_up:
            return None, None
        memcgs = Memcgs(OomRecords(oom.records, layout, facts, name_of))
        raw = self._with_processes(self._raw(found, before, facts, memcgs, oom.oom_id))
        return self._resolved(raw), to_plain(raw) if self._keeps else None

    def all(self, found: list[bytes], layout: Layout, facts: Facts, name_of: NameOf, end_ns: int) -> Optional[Code]:
        """All that has been sampled, of a command that ended without an OOM; None if that is nothing."""
        before = samples.samples(found, layout, name_of)
        return self._resolved(self._with_processes(self._raw([], before, facts, None, end_ns))) if before else None

    def _before(self, oom: Oom, layout: Layout, name_of: NameOf) -> list[Sample]:
        """What was charged before an OOM to the memcg that is full, or to any where the machine is."""
        found = samples.samples(self._samples, layout, name_of)
        return [
            sample for sample in found
            if sample.time_ns <= oom.oom_id and (not oom.memcg or oom.memcg in sample.memcgs)
        ]

    def _with_processes(self, raw: code.RawCode) -> code.RawCode:
        tgids = {sample.tgid for sample in (raw.asker, raw.victim, raw.victim_charged, *raw.samples) if sample}
        known = (self._with_names(self._processes[tgid], raw) for tgid in tgids if tgid in self._processes)
        return replace(raw, processes=tuple(known))

    def _resolved(self, raw: code.RawCode) -> Optional[Code]:
        with self._resolving.spending():
            return code.resolve_apart(raw, self._files, meanwhile=self._meanwhile)

    def _with_names(self, process: code.Process, raw: code.RawCode) -> code.Process:
        """With the code objects that its samples have met, and nobody had looked at."""
        if not process.python_layout:
            return process
        met = {address for sample in raw.samples if sample.tgid == process.tgid
               for address, _ in sample.stack.interpreter or () if address and f"{address:#x}" not in process.python}
        read = {address: self._python_code(process.tgid, address) for address in met}
        named = {f"{address:#x}": code.python.unpacked(data) for address, data in read.items() if data is not None}
        return replace(process, python={**process.python, **{at: one for at, one in named.items() if one is not None}})

    def _raw(
        self, found: list[UserStack], before: list[Sample], facts: Facts, memcgs: Optional[Memcgs], end_ns: int
    ) -> code.RawCode:
        asker = next((stack for stack in found if stack.role == "trigger"), None)
        victims = [stack for stack in found if stack.role == "victim"]
        first = next((stack for stack in victims if stack.pid == stack.tgid), None)
        others = [stack for stack in victims if stack.pid != stack.tgid]
        charged_pages = sum(sample.pages for sample in before)
        return code.RawCode(
            machine=facts.machine or "x86_64",
            samples=tuple(self._charged(sample, facts, memcgs, end_ns) for sample in samples.thinned(before)),
            asker=_thread(asker) if asker else None,
            victim=_thread(first) if first else None,
            victim_charged=_thread(others[0]) if others else None,
            window_ns=end_ns - before[0].time_ns if before else None,
            sample_bytes=(charged_pages * facts.page_kb << 10) // len(before) if before else None,
        )

    def _charged(self, sample: Sample, facts: Facts, memcgs: Optional[Memcgs], end_ns: int) -> code.RawSample:
        process = self._processes.get(sample.stack.tgid)
        raw = code.RawStack(none=NoStack.NOT_TAKEN) if sample.interrupt else _raw_stack(sample.stack)
        if sample.running and process is not None and process.python_layout:
            raw = replace(raw, interpreter=code.python.meant(process.python_layout, sample.running))
        return replace(
            _thread(sample.stack),
            stack=raw,
            charged_bytes=sample.pages * facts.page_kb << 10,
            kind=sample.kind,
            memcg=memcgs.path_of(sample.memcgs[0]) if memcgs is not None and sample.memcgs else None,
            before_ns=end_ns - sample.time_ns,
        )

    def close(self) -> None:
        """Close the files."""
        self._files.close()


def _thread(stack: UserStack) -> code.RawSample:
    return code.RawSample(pid=stack.pid, tgid=stack.tgid, comm=stack.comm, stack=_raw_stack(stack))


def _raw_stack(stack: UserStack) -> code.RawStack:
    none = None
    if not stack.registers:
        none = NoStack.KERNEL_THREAD
    elif not stack.memory:
        none = NoStack.NOT_READABLE
    return code.RawStack(registers=stack.registers, stack=stack.memory, whole=stack.whole, none=none)

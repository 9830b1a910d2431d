"""From probes to events: joins the rooms of a live trace (kernel, programs, live, wire). Prints nothing."""

from __future__ import annotations

import time
from _thread import allocate_lock  # what threading.Lock is: a start has no time for the rest of threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Callable, Optional

from oomtrace.kernel import machine, surroundings
from oomtrace.live import tracer
from oomtrace.session import attach
from oomtrace.session.options import TraceOptions
from oomtrace.session.stop import Ending, StopSignals

if TYPE_CHECKING:
    from oomtrace.facts import Facts
    from oomtrace.model import Code, OomEvent
    from oomtrace.session.attach import Attached, Say
    from oomtrace.session.below import Below
    from oomtrace.session.receive import Receiver, Traced
    from oomtrace.session.watch import Watch
    from oomtrace.session.whose import Whose

Killed = Callable[["OomEvent"], None]
Doomed = Callable[["Traced"], None]

_DEFAULTS = TraceOptions()
_MOST_ASKING_S = 3.0
_PENDING_MS = 10  # while an OOM is in hand
_LEISURELY_MS = 500  # while it is only a process that is slowed down
_BEHIND_BYTES = 64 << 20  # what is taken in advance at most: some thousand OOMs; the rest waits in the buffers
_AT_A_TIME = 64  # records, between which there is a look at how full the buffers are
_CGROUP = 3  # enum sample_mode (bpf/sample.h)
_ABLE_S = 30.0  # until it can look at processes, at most; where all is emulated on a busy machine it takes some seconds
_LAST_S = 1.0  # for what is in hand at the end


class LiveTrace:
    """A running trace: made by ``LiveTrace.start``, ended by ``close``.

    ``probes``: how many functions it has entered. ``received``: how many records have come. ``left_out``: how many
    events were not made, since a signal asked for the end at once.
    """

    def __init__(self, attached: Attached, warn: Say) -> None:
        self._tracer = attached.tracer
        self._looker = attached.looker
        self._watch: Optional[Watch] = None
        self._told: set[Optional[int]] = set()  # OOMs that ``killed`` has heard of, by oom_id
        self._plan = attached.plan
        self._options = attached.options
        self._without = attached.without
        self._warn = warn
        self._stop = StopSignals()
        self._ending = Ending(self._stop, self._left)
        self._tracer.wake_on(self._stop.fd)
        self._panic: Optional[int] = None  # vm.panic_on_oom, while an OOM is in hand
        self._doomed: Doomed = lambda traced: None
        self.probes = attached.probes
        self.received = 0
        self.left_out = 0
        self.busy = False  # an OOM is in hand that will be an event soon: for another thread than that of ``events``
        self._whose: Optional[Whose] = None
        self._receiving: Optional[Receiver] = None
        self._unable = allocate_lock()  # held until it can look at processes
        self._unable.acquire()

    @classmethod
    def start(cls, say: Say, warn: Say, options: TraceOptions = _DEFAULTS) -> LiveTrace:
        """Attach one. Raises OomtraceError with what a person can do about it.

        ``say`` hears details that --verbose shows, ``warn`` what is lost on this kernel.
        """
        return cls(attach.start(say, warn, options), warn)

    def stop(self) -> None:
        """End ``events`` after the event in hand."""
        self._stop.ask()

    @property
    def lost(self) -> int:
        """Records that found the buffers full."""
        return self._tracer.lost

    @property
    def failed_charges(self) -> int:
        """Charges that failed without a kill: all of them, of which one a second and memcg is an event."""
        return self._tracer.failed_charges

    @property
    def unreported_kills(self) -> int:
        """Kills by others than the OOM killer that were too many in a second to be events."""
        return self._tracer.unreported_kills

    @property
    def looks(self) -> int:
        """How often a memcg that neared its limit, or a machine that began to reclaim, was looked at."""
        looks = self._watch.looks if self._watch else {}
        return sum(number for occasion, number in looks.items() if occasion in ("near limit", "reclaim"))

    def events(
        self, deadline: Optional[float] = None, killed: Killed = lambda event: None,
        doomed: Doomed = lambda traced: None, behind: Optional[Callable[[int], None]] = None,
    ) -> Iterator[Traced]:
        """Events as they end, until a stop signal or the deadline (time.monotonic); then what is in hand.

        ``behind`` hears, when it is to end, how many events are left that will take more than a second. Signals after
        that leave them out. Without it, signals after the first change nothing.
        ``killed`` hears of an OOM before, when its kill is over, if the victim takes its time to give its memory back.
        ``doomed`` hears, again and again, of one at which the kernel may panic (vm.panic_on_oom).
        """
        self._doomed = doomed
        self._ending.tell = behind
        receiver = self._receiver()
        while not self._stop.asked:
            wait_ms = _PENDING_MS if receiver.pending or self._tracer.filling else -1
            if receiver.pending and receiver.leisurely:
                wait_ms = _LEISURELY_MS
            held = self._watch is not None and self._watch.wait_ms is not None
            self.busy = held or wait_ms == _PENDING_MS
            if deadline is not None:
                left_ms = int((deadline - time.monotonic()) * 1000) + 1
                if left_ms <= 0:
                    self.stop()
                    break
                wait_ms = _sooner(wait_ms, left_ms)
            yield from self._read(receiver, killed, wait_ms)
        yield from self._last(receiver, killed)

    def _last(self, receiver: Receiver, killed: Killed) -> Iterator[Traced]:
        """What came before the stop. What is left out is still received, so that it is known how much it is."""
        yield from self._read(receiver, killed, 0)
        patience = time.monotonic() + _LAST_S
        while (receiver.pending or self._tracer.filling) and not self._ending.now and time.monotonic() < patience:
            yield from self._read(receiver, killed, _PENDING_MS)
        self._take(receiver, 0)  # what an OOM that still goes on has sent
        for traced in self._ending.each(receiver.flush()):
            yield from self._witnessed(traced, killed)
        yield from self._ripe(all_of_them=True)
        self.left_out = self._left()

    def _left(self) -> int:
        """How many events have come and are still to be given."""
        return (self._receiving.left if self._receiving else 0) + (self._watch.held if self._watch else 0)

    def _receiver(self) -> Receiver:
        """What decoding needs and being ready does not. Locks the process in memory once all of it is in use."""
        from oomtrace.facts import Facts
        from oomtrace.kernel.addresses import Resolver
        from oomtrace.session.receive import Names, Receiver
        from oomtrace.session.whose import Whose

        resolver = Resolver.load()
        known, _ = Facts.from_plain(self._plan.facts)
        facts = replace(machine.described(known, resolver), charges=self._options.charges)
        names = Names(resolver, Resolver.load, machine.arch().bpf_text)
        self._whose = Whose(self._options.stack_memory, self._tracer.watch_python, self._tracer.python_code, self._hear)
        if self._looker:
            from oomtrace.session.watch import Watch

            self._watch = Watch(self._looker, below=self._below(facts))
            self._watch.warm()
            self._tracer.wake_on(self._watch.fd)
        near = self._watch.near if self._watch else _unheard
        releases = "exit_mmap_return" not in self._without
        self._receiving = Receiver(facts, names, releases, near, left=_Killers().left, whose=self._whose)
        tracer.lock()
        self._unable.release()
        return self._receiving

    def _below(self, facts: Facts) -> Optional[Below]:
        """What tells how usage has gone in further memcgs, where it is known in which field a memcg counts it."""
        from oomtrace.session.below import Below
        from oomtrace.witness import Glances

        at, glances = facts.offsets_bytes.get("mem_cgroup.memory"), Glances()
        if at is None:
            return None
        return Below(lambda memcg: self._tracer.history(memcg + at), glances.usage_kb, facts.page_kb)

    def _read(self, receiver: Receiver, killed: Killed, timeout_ms: int) -> Iterator[Traced]:
        if self._watch and self._watch.wait_ms is not None:
            timeout_ms = _sooner(timeout_ms, self._watch.wait_ms)
        self._take(receiver, timeout_ms)
        self._before_panic(receiver)
        yield from self._ripe()
        if self._tracer.filling:  # nothing is over because nothing has been taken
            return
        # In a storm many are ready at once, and more meanwhile: what comes while they are dealt with must not fill the
        # buffers, and those whose looks have come must not wait for the end of it.
        behind_bytes = 0
        for traced in self._ending.each(receiver.ready(time.monotonic_ns())):
            yield from self._witnessed(traced, killed)
            behind_bytes += self._take(receiver, 0) if behind_bytes < _BEHIND_BYTES else 0
            yield from self._ripe()
        for event in self._ending.each(receiver.killed()):
            self._told.add(event.trace.oom_id)
            killed(event)
            behind_bytes += self._take(receiver, 0) if behind_bytes < _BEHIND_BYTES else 0
            yield from self._ripe()

    def _ripe(self, all_of_them: bool = False) -> Iterator[Traced]:
        """Those that have waited for a look, and need to no more."""
        for traced in self._ending.each(self._watch.ripe(all_of_them)) if self._watch else ():
            yield traced
            self._tracer.set_aside()  # there may be many

    def _before_panic(self, receiver: Receiver) -> None:
        """The kernel prints its report first, and that may take long enough."""
        if not receiver.pending:
            self._panic = None
            return
        if self._panic is None:
            self._panic = surroundings.sysctl("vm.panic_on_oom") or 0
        for traced in receiver.panicking(self._panic):
            self._doomed(traced)

    def _witnessed(self, traced: Traced, killed: Killed) -> Iterator[Traced]:
        """With what was seen; later, by ``ripe``, if a look is on its way, and until then as one that is killed."""
        if not self._watch:
            yield traced
            return
        at_once = list(self._watch.hold(traced))
        if not at_once and traced.event.is_oom and traced.event.trace.oom_id not in self._told:
            killed(traced.event)
        self._told.discard(traced.event.trace.oom_id)
        yield from at_once

    def _take(self, receiver: Receiver, timeout_ms: int) -> int:
        """Records from the buffers; returns how many bytes they have."""
        taken = self._tracer.wait(timeout_ms)
        self._look()
        self.received += len(taken)
        if self._tracer.modules_changed():
            receiver.expire_names()
        for number, data in enumerate(taken):
            if number % _AT_A_TIME == 0:
                self._tracer.set_aside()
            try:
                receiver.add(data, time.monotonic_ns())
            except ValueError as error:  # the event will say that a record is missing; the trace goes on
                self._warn(f"oomtrace: {error}")
        if self._watch and taken:
            self._watch.name(receiver.path_of)
        return sum(map(len, taken))

    def _hear(self) -> None:
        """While frames are made, others may be about to go."""
        self._tracer.set_aside()
        self._tracer.hear()
        self._look()

    def _look(self) -> None:
        """At once, at processes that may be about to go, and at who has charged before an OOM."""
        named = self._tracer.named()
        if self._watch:
            self._watch.take()
            for memcg, tgid in named:
                if memcg is not None:
                    self._watch.begins(memcg, tgid)
        if self._whose is not None and named:
            self._whose.look(list(dict.fromkeys(tgid for _, tgid in named)))
            if any(memcg is not None for memcg, _ in named):
                self._whose.keep(self._tracer.samples)

    def sample(self, cgroup_id: int) -> None:
        """Sample the charges to a cgroup and to all below it from now on. For another thread than that of
        ``events``, which must be able to look at processes first, and is waited for. Raises OSError."""
        if self._unable.acquire(timeout=_ABLE_S):
            self._unable.release()
        self._tracer.sample(_CGROUP, cgroup_id)

    def code(self) -> Optional[Code]:
        """Whose code has charged what was sampled and is still held, OOM or not; once ``events`` has ended."""
        if self._receiving is None:
            return None
        return self._receiving.code(self._tracer.samples(), time.monotonic_ns())

    def close(self) -> None:
        """Detach, and give the signals back."""
        self._stop.close()
        if self._looker:
            self._looker.close()
        self._tracer.close()
        if self._whose is not None:
            self._whose.close()


class _Killers:
    """What programs that kill say of it themselves. In a storm of kills not each is asked about."""

    def __init__(self) -> None:
        from oomtrace.session.allowance import Allowance

        self._asking = Allowance(_MOST_ASKING_S, slower=1.0)

    def left(self, event: OomEvent) -> tuple[tuple[str, ...], Optional[int]]:
        from oomtrace.witness import journal, marks  # late: most traces never meet such a kill

        said: tuple[str, ...] = ()
        if not self._asking.used_up:
            with self._asking.spending():
                said = journal.said(event)
        return said, marks.oomd_kills(event)  # it notes that before it writes into the journal, and after the kill


def _unheard(_bell: object) -> None:
    """Nobody looks."""


def _sooner(first_ms: int, second_ms: int) -> int:
    """Of two times to wait; -1: for ever."""
    return second_ms if first_ms < 0 else min(first_ms, second_ms)

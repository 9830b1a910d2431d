"""From probes to events: joins the rooms of a live trace (kernel, programs, live, wire). Prints nothing."""

from __future__ import annotations

import time
from _thread import allocate_lock  # what threading.Lock is: a start has no time for the rest of threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Callable, Optional

from oomtrace.errors import EXIT_NO_PROBE, OomtraceError
from oomtrace.kernel import machine, privileges, probes, surroundings
from oomtrace.live import tracer
from oomtrace.programs import keep
from oomtrace.programs.plan import SHIPPED
from oomtrace.programs.source import OPTIONAL_PARTS
from oomtrace.session import early
from oomtrace.session.options import TraceOptions
from oomtrace.session.stop import Ending, StopSignals

if TYPE_CHECKING:
    from oomtrace.facts import Facts
    from oomtrace.live.tracer import Tracer
    from oomtrace.model import Code, OomEvent
    from oomtrace.programs.plan import Plan
    from oomtrace.session.below import Below
    from oomtrace.session.looker import Looker
    from oomtrace.session.receive import Receiver, Traced
    from oomtrace.session.watch import Watch
    from oomtrace.session.whose import Whose

Say = Callable[[str], None]
Killed = Callable[["OomEvent"], None]
Doomed = Callable[["Traced"], None]

_DEFAULTS = TraceOptions()
_MOST_ASKING_S = 3.0
_PENDING_MS = 10  # while an OOM is in hand
_LEISURELY_MS = 500  # while it is only a process that is slowed down
_BEHIND_BYTES = 64 << 20  # what is taken in advance at most: some thousand OOMs; the rest waits in the buffers
_AT_A_TIME = 64  # records, between which there is a look at how full the buffers are
_SAMPLED, _CGROUP = {"near": 1, "on": 2}, 3  # enum sample_mode (bpf/sample.h)
_ABLE_S = 30.0  # until it can look at processes, at most; where all is emulated on a busy machine it takes some seconds
_LAST_S = 1.0  # for what is in hand at the end


class LiveTrace:
    """A running trace: made by ``LiveTrace.start``, ended by ``close``.

    ``probes``: how many functions it has entered. ``received``: how many records have come. ``left_out``: how many
    events were not made, since a signal asked for the end at once.
    """

    def __init__(
        self, attached: Tracer, plan: Plan, options: TraceOptions, without: frozenset[str], warn: Say,
        looker: Optional[Looker],
    ) -> None:
        """``without``: the programs that could not be attached. ``looker`` None: nobody looks."""
        self._tracer = attached
        self._looker = looker
        self._watch: Optional[Watch] = None
        self._told: set[Optional[int]] = set()  # OOMs that ``killed`` has heard of, by oom_id
        self._plan = plan
        self._options = options
        self._without = without
        self._warn = warn
        self._stop = StopSignals()
        self._ending = Ending(self._stop, self._left)
        self._tracer.wake_on(self._stop.fd)
        self._panic: Optional[int] = None  # vm.panic_on_oom, while an OOM is in hand
        self._doomed: Doomed = lambda traced: None
        self.probes = 0
        self.received = 0
        self.left_out = 0
        self.busy = False  # an OOM is in hand that will be an event soon: for another thread than that of ``events``
        self._whose: Optional[Whose] = None
        self._receiving: Optional[Receiver] = None
        self._unable = allocate_lock()  # held until it can look at processes
        self._unable.acquire()

    @classmethod
    def start(cls, say: Say, warn: Say, options: TraceOptions = _DEFAULTS) -> LiveTrace:
        """Get the programs and attach them. Raises OomtraceError with what a person can do about it.

        ``say`` hears details that --verbose shows, ``warn`` what is lost on this kernel.
        """
        privileges.require()
        begun = early.taken()
        plan, base = (begun.plan(say) if begun else None) or keep.get(say)
        tracer.exempt()  # the compiler, which is large, is not
        tracer.prefer()
        for part in plan.lost:
            warn(f"oomtrace: without the kernel's BTF: {part}")
        looker = _looker(options.cmdline, warn) if options.witness else None
        try:
            attached = begun.tracer(options) if begun else None
            return cls._attached(plan, base, options, say, warn, looker, attached)
        except OomtraceError as error:
            if looker:
                looker.close()
            if plan.programs == SHIPPED and error.status == EXIT_NO_PROBE:
                hint = f"{error.hint}; --compile compiles the programs on this machine, with bcc"
                raise OomtraceError(error.message, hint, error.status) from error
            raise

    @classmethod
    def _attached(
        cls, plan: Plan, base: int, options: TraceOptions, say: Say, warn: Say, looker: Optional[Looker],
        attached: Optional[Tracer],
    ) -> LiveTrace:
        sampled = options.stacks != "off"
        charges = "batch" if sampled else options.charges
        targets = probes.chosen(plan.targets_at(base), charges, options.kills, sampled)
        if attached is None:
            cpus, buffer_bytes = machine.online_cpus(), options.buffer_bytes
            attached = tracer.Tracer(plan.image, plan.at(base), cpus, buffer_bytes, sampled)
        without: set[str] = set()

        def skipped(target: probes.Target, reason: str) -> None:
            without.add(target.probe.program)
            warn(f"oomtrace: without {target.probe.functions[0]} ({reason}): {target.probe.loses}")

        try:
            attached.settle(options.witness, options.cmdline)
            attached.attach(targets, skipped)
            _enter_replaced(attached, plan.targets_at(base), without)
            attached.watch_kills(probes.kill_signals(options.kills), options.kills == "near")
        except OomtraceError:
            attached.close()
            raise
        for target in targets:
            way = " (BPF trampoline)" if target in attached.direct else ""
            say(f"oomtrace: probe {target.probe.program}: {target.symbol or 'none'}{way}")
        _say_refused(attached, say, warn)
        attached.sample(_SAMPLED.get(options.stacks, 0))
        watched = not without.intersection(target.probe.program for target in targets if target.probe.charges)
        if sampled and not watched:  # who charges is still told, without by which code
            plain = [target for target in plan.targets_at(base) if target.probe.charges == charges]
            watched = any(attached.enter(target) is None for target in plain if not target.probe.sampled)
        options = replace(options, charges=charges if watched else "off")
        trace = cls(attached, plan, options, frozenset(without), warn, looker)
        trace.probes = sum(target.symbol is not None for target in targets)
        return trace

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


def _enter_replaced(attached: tracer.Tracer, targets: tuple[probes.Target, ...], without: set[str]) -> None:
    """Those that were spared for the sake of one that could not be attached."""
    missed = {target.probe.replaces for target in targets if target.probe.program in without}
    for target in targets:
        if target.probe.program in missed:
            attached.enter(target)


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


def _say_refused(attached: Tracer, say: Say, warn: Say) -> None:
    """What the kernel has refused and a trace can do without: what is lost, or costs more."""
    for name, reason in attached.refused:
        warn(f"oomtrace: without {name} ({reason}): {OPTIONAL_PARTS[name]}")
    for target, reason in attached.not_direct:
        say(f"oomtrace: probe {target.probe.program}: a kprobe, which costs more: no BPF trampoline ({reason})")


def _looker(cmdline: bool, warn: Say) -> Optional[Looker]:
    """The process that looks: made while little is open. A trace is worth having without it."""
    from oomtrace.session.looker import Looker

    try:
        return Looker(cmdline)
    except OSError as error:
        warn(f"oomtrace: nobody looks at processes and containers: {error.strerror}")
        return None


def _unheard(_bell: object) -> None:
    """Nobody looks."""


def _sooner(first_ms: int, second_ms: int) -> int:
    """Of two times to wait; -1: for ever."""
    return second_ms if first_ms < 0 else min(first_ms, second_ms)

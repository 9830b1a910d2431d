"""From probes to events: joins the rooms of a live trace (kernel, live, wire). Prints nothing."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Optional, Set

from oomtrace.kernel import machine, privileges, probes
from oomtrace.kernel.symbols import Symbols
from oomtrace.live import tracer
from oomtrace.programs import keep

if TYPE_CHECKING:
    from oomtrace.model import OomEvent
    from oomtrace.session.receive import Receiver, Traced

_PENDING_MS = 10  # while an OOM is in hand
_BEHIND_BYTES = 64 << 20  # what is taken in advance at most: some thousand OOMs; the rest waits in the buffers
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Trace:
    """A running trace. ``say`` hears details that --verbose shows, ``warn`` what is lost on this kernel. ``charges``
    is one of probes.CHARGES: how the charges before an OOM are watched. ``buffer_bytes``: for each CPU's records."""

    def __init__(
        self,
        say: Callable[[str], None],
        warn: Callable[[str], None],
        charges: str = "batch",
        buffer_bytes: Optional[int] = None,
    ) -> None:
        self._say = say
        self._warn = warn
        self._charges = charges
        self._buffer_bytes = buffer_bytes
        self._stopping = False
        self._before: Dict[signal.Signals, Any] = {}
        self.probes = 0
        self.received = 0  # records

    def start(self) -> None:
        """Compile and attach. Raises OomtraceError with what a person can do about it."""
        privileges.require()
        self._plan, base = keep.get(self._say)
        tracer.exempt()  # the compiler, which is large, is not
        tracer.prefer()
        for part in self._plan.lost:
            self._warn(f"oomtrace: without the kernel's BTF: {part}")
        targets = [target for target in self._plan.targets_at(base) if probes.wanted(target.probe, self._charges)]
        self._tracer = tracer.Tracer(self._plan.image, self._plan.at(base), machine.online_cpus(), self._buffer_bytes)
        self._skipped_programs: Set[str] = set()
        self._tracer.attach(targets, self._skipped)
        self.probes = sum(target.symbol is not None for target in targets)
        for target in targets:
            way = " (BPF trampoline)" if target in self._tracer.direct else ""
            self._say(f"oomtrace: probe {target.probe.program}: {target.symbol or 'none'}{way}")
        # A signal may fall just before the wait for records; the byte that it leaves in the pipe ends that wait.
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._tracer.wake_on(self._wake_read)
        signal.set_wakeup_fd(self._wake_write)
        for number in _STOP_SIGNALS:
            self._before[number] = signal.signal(number, lambda *_: self.stop())

    def _skipped(self, target: probes.Target, why: str) -> None:
        self._skipped_programs.add(target.probe.program)
        self._warn(f"oomtrace: without {target.probe.functions[0]} ({why}): {target.probe.loses}")

    def _prepare(self) -> "Receiver":
        """What decoding needs and being ready does not. Locks the process in memory once all of it is in use."""
        from oomtrace.facts import Facts
        from oomtrace.session.receive import Names, Receiver

        symbols = Symbols.load()
        watched = f"charge_{self._charges}" not in self._skipped_programs
        charges = self._charges if watched else "off"
        known, _ = Facts.from_plain(self._plan.facts)
        facts = replace(machine.described(known, symbols), charges=charges)
        names = Names(symbols.resolver(), lambda: Symbols.load().resolver())
        receiver = Receiver(facts, names, "exit_mmap_return" not in self._skipped_programs)
        tracer.lock()
        return receiver

    def stop(self) -> None:
        """End ``events`` after the event in hand."""
        self._stopping = True

    @property
    def lost(self) -> int:
        """Records that found the buffers full."""
        return self._tracer.lost

    @property
    def failed_charges(self) -> int:
        """Charges that failed without a kill: all of them, of which one a second and memcg is an event."""
        return self._tracer.failed_charges

    def events(
        self, deadline: Optional[float] = None, killed: Callable[["OomEvent"], None] = lambda event: None
    ) -> Iterator[Traced]:
        """Events as they end, until a stop signal or the deadline (time.monotonic); then what is in hand.

        ``killed`` hears of an OOM before, when its kill is over, if the victim takes its time to give its memory back.
        """
        self._receiver = self._prepare()
        self._killed = killed
        while not self._stopping:
            wait_ms = _PENDING_MS if self._receiver.pending or self._tracer.filling else -1
            if deadline is not None:
                left_ms = int((deadline - time.monotonic()) * 1000) + 1
                if left_ms <= 0:
                    break
                wait_ms = left_ms if wait_ms < 0 else min(wait_ms, left_ms)
            yield from self._read(wait_ms)
        yield from self._read(0)  # what came before the stop
        patience = time.monotonic() + 1
        while (self._receiver.pending or self._tracer.filling) and time.monotonic() < patience:
            yield from self._read(_PENDING_MS)
        self._take(0)  # what an OOM that still goes on has sent
        yield from self._receiver.flush()

    def _read(self, timeout_ms: int) -> Iterator["Traced"]:
        self._take(timeout_ms)
        if self._tracer.filling:  # nothing is over because nothing has been taken
            return
        # In a storm many are ready at once; what comes while they are dealt with must not fill the buffers.
        behind_bytes = 0
        for traced in self._receiver.ready(time.monotonic_ns()):
            yield traced
            behind_bytes += self._take(0) if behind_bytes < _BEHIND_BYTES else 0
        for event in self._receiver.killed():
            self._killed(event)
            behind_bytes += self._take(0) if behind_bytes < _BEHIND_BYTES else 0

    def _take(self, timeout_ms: int) -> int:
        """Records from the buffers; returns how many bytes they have."""
        taken = self._tracer.wait(timeout_ms)
        self.received += len(taken)
        if self._tracer.modules_changed():
            self._receiver.expire_names()
        for data in taken:
            try:
                self._receiver.add(data, time.monotonic_ns())
            except ValueError as error:  # the event will say that a record is missing; the trace goes on
                self._warn(f"oomtrace: {error}")
        return sum(map(len, taken))

    def close(self) -> None:
        """Detach, and give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        self._tracer.close()
        os.close(self._wake_read)
        os.close(self._wake_write)


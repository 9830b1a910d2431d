"""From probes to events: joins the rooms of a live trace (kernel, live, wire). Prints nothing."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from typing import Callable, Dict, Iterator, List, Optional

from oomtrace.kernel import btf, eras, machine, probes, statistics
from oomtrace.kernel.symbols import Resolver, Symbols
from oomtrace.errors import EXIT_LOCKDOWN, EXIT_NOT_ROOT, OomtraceError
from oomtrace.live import program, tracer
from oomtrace.model import OomEvent
from oomtrace.wire.assemble import Assembler
from oomtrace.wire.decode import Decoder
from oomtrace.wire.layout import Layout

_PENDING_MS = 20  # while an OOM is in hand
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Trace:
    """A running trace. ``say`` hears details that --verbose shows, ``warn`` what is lost on this kernel."""

    say: Callable[[str], None]
    warn: Callable[[str], None]
    stopping: bool = False
    facts: Dict[str, object] = field(default_factory=dict)
    raw: List[bytes] = field(default_factory=list)

    def start(self) -> None:
        """Compile and attach. Raises OomtraceError with what a person can do about it."""
        if not tracer.privileged():
            raise OomtraceError("tracing the OOM killer needs root", "run it with sudo", EXIT_NOT_ROOT)
        program.import_bcc()
        symbols = _symbols()
        targets = probes.resolve(symbols)
        release = os.uname().release
        compiled = program.compile_programs(symbols, eras.summed_rss(release))
        self.say(f"kernel structures from {compiled.types_from}")
        self._tracer = tracer.Tracer(compiled, machine.possible_cpus())
        self._tracer.attach(targets, lambda t, why: self.warn(f"without {t.probe.functions[0]} ({why}): {t.probe.loses}"))
        for target in targets:
            self.say(f"probe {target.probe.program}: {target.symbol or 'none'}")
        types = btf.load()
        self.facts = {
            **machine.facts(symbols),
            **eras.facts(types, symbols, release),
            "statistics": statistics.rows(types, release),
        }
        self._layout = Layout((program.bpf_folder() / "records.h").read_text())
        self._resolver = symbols.resolver()
        self._decoder = Decoder(self._layout, self.facts, self._name_of)
        self._assembler = Assembler()
        tracer.protect()
        for number in _STOP_SIGNALS:
            signal.signal(number, self._stop)

    def _stop(self, _number: int, _frame: object) -> None:
        self.stopping = True
        # The signal may fall just before the wait for records: then nothing would end that wait but another signal.
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)

    def _name_of(self, address: int) -> Optional[str]:
        if not self._resolver.is_text(address):
            return None
        return self._resolver.name(address) or f"0x{address:x}"

    @property
    def lost(self) -> int:
        """Records that found the buffers full."""
        return self._tracer.lost

    def events(self, deadline: Optional[float] = None) -> Iterator[OomEvent]:
        """Events as they end, until a stop signal or the deadline (time.monotonic); then what is in hand."""
        while not self.stopping:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            wait_ms = _PENDING_MS if self._assembler.pending else -1
            if left is not None:
                wait_ms = int(left * 1000) + 1 if wait_ms < 0 else min(wait_ms, int(left * 1000) + 1)
            self._read(wait_ms)
            for oom in self._assembler.ready(time.monotonic_ns()):
                yield self._decoder.event(oom)
        yield from self._finish()

    def _finish(self) -> Iterator[OomEvent]:
        """The event in hand when the trace is stopped."""
        patience = time.monotonic() + 1
        while self._assembler.pending and time.monotonic() < patience:
            self._read(_PENDING_MS)
            for oom in self._assembler.ready(time.monotonic_ns()):
                yield self._decoder.event(oom)
        for oom in self._assembler.flush():
            yield self._decoder.event(oom)

    def _read(self, timeout_ms: int) -> None:
        now = time.monotonic_ns()
        for data in self._tracer.poll(timeout_ms):
            now = time.monotonic_ns()
            self._assembler.add(self._layout.decode(data), now)

    def close(self) -> None:
        """Detach."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._tracer.close()


def _symbols() -> Symbols:
    try:
        symbols = Symbols.load()
    except OSError as error:
        raise OomtraceError(f"cannot read /proc/kallsyms: {error.strerror}", "is CONFIG_KALLSYMS set?", EXIT_LOCKDOWN) from error
    if not symbols.readable:
        raise OomtraceError(
            "the kernel hides its symbols' addresses", "sysctl kernel.kptr_restrict=1 and CAP_SYSLOG show them", EXIT_LOCKDOWN
        )
    return symbols

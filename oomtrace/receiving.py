"""From records to events: what a trace needs once records come, and not yet to be ready for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

from oomtrace.kernel.symbols import Resolver
from oomtrace.live import program
from oomtrace.model import OomEvent
from oomtrace.wire import capture
from oomtrace.wire.assemble import Assembler, Oom
from oomtrace.wire.decode import Decoder
from oomtrace.wire.layout import Layout


@dataclass(frozen=True)
class Traced:
    """An OOM: the event, and what makes the bytes of a capture file of it, which not every trace wants."""

    event: OomEvent
    capture: Callable[[], bytes]


class Receiver:
    """Takes records, gives events. ``facts`` are a capture's; ``releases`` False: nothing tells when a victim's memory
    is free. Times are of a monotonic clock."""

    def __init__(self, facts: Mapping[str, Any], resolver: Resolver, releases: bool) -> None:
        self._facts = dict(facts)
        self._resolver = resolver
        self._layout = Layout((program.bpf_folder() / "records.h").read_text())
        self._assembler = Assembler(releases)

    @property
    def pending(self) -> bool:
        """Whether an OOM is in hand."""
        return self._assembler.pending

    def add(self, data: bytes, now_ns: int) -> None:
        """Take a record. Raises ValueError if it is none."""
        self._assembler.add(self._layout.decode(data), now_ns)

    def ready(self, now_ns: int) -> Iterator[Traced]:
        """The OOMs that are over."""
        return map(self._traced, self._assembler.ready(now_ns))

    def flush(self) -> Iterator[Traced]:
        """All that are left, finished or not."""
        return map(self._traced, self._assembler.flush())

    def _traced(self, oom: Oom) -> Traced:
        met: Dict[int, str] = {}

        def name_of(address: int) -> Optional[str]:
            if not self._resolver.is_text(address):
                return None
            met[address] = self._resolver.name(address) or f"0x{address:x}"
            return met[address]

        facts = self._facts
        if oom.followed_ns is not None:
            facts = {**facts, "followed_ns": oom.followed_ns - oom.oom_id}
        event = Decoder(self._layout, facts, name_of).event(oom)
        records: List[bytes] = [record.raw for record in oom.records]
        # Not a lambda: it goes from process to process (repro/recorder.py).
        return Traced(event, partial(capture.dump, self._layout.text, facts, records, met, oom.lost))

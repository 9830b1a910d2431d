"""From records to events: what a trace needs once records come, and not yet to be ready for them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Callable, NamedTuple, Optional

from oomtrace.facts import Facts
from oomtrace.kernel import machine
from oomtrace.kernel.addresses import Resolver
from oomtrace.model import Code, OomEvent
from oomtrace.programs import source
from oomtrace.session.cleaned import cleaned, cleaned_sender
from oomtrace.session.whose import Whose
from oomtrace.wire import capture
from oomtrace.wire.assemble import Assembler, Oom
from oomtrace.wire.decode import LATE, Decoder
from oomtrace.wire.layout import Layout
from oomtrace.wire.near import Near, near
from oomtrace.wire.records import RecordKind
from oomtrace.wire.userstack import without_memory

Left = tuple[tuple[str, ...], Optional[int]]
"""Lines that a killer has written, and a number that it has noted."""


@dataclass(frozen=True)
class Traced:
    """An OOM: the event, and what makes the bytes of a capture file of it, which not every trace wants."""

    event: OomEvent
    capture: Callable[..., bytes]  # takes what was seen besides (wire/seen.py), as ``seen``



def boot_unix_ns() -> int:
    """The Unix time when CLOCK_MONOTONIC, which stamps the records, was 0."""
    return max(0, time.time_ns() - time.monotonic_ns())


class Names:
    """Names for code addresses. ``load`` makes the table of them anew, which takes some tenths of a second.
    ``bpf_text`` is where code may be that was loaded since."""

    def __init__(self, resolver: Resolver, load: Callable[[], Resolver], bpf_text: range) -> None:
        self._resolver, self._load, self._bpf_text = resolver, load, bpf_text
        self._stale = False
        self._fresh = False  # loaded since ``begin``
        self._known: dict[int, str] = {}
        self._data: set[int] = set()  # in ``bpf_text`` and no code: of a driver's data, which each event shows

    def expire(self) -> None:
        """Modules have come or gone."""
        self._stale = True

    def begin(self) -> None:
        """An event comes next. What is stale is loaded now, and not at each of the changes."""
        self._fresh = False
        if self._stale:
            self._data.clear()
            self._reload()

    def of(self, address: int) -> Optional[str]:
        """The name, the address itself where code has none, or None if it is no code."""
        if address in self._known:  # call traces of OOMs are much alike
            return self._known[address]
        if not self._resolver.is_text(address) and not self._is_new(address):
            return None
        name = self._known[address] = self._resolver.name(address) or f"0x{address:x}"
        return name

    def _is_new(self, address: int) -> bool:
        """Whether it is code that was loaded after the table: nothing tells of BPF programs. Asked once an event."""
        if address not in self._bpf_text or address in self._data:
            return False
        if not self._fresh:
            self._reload()
            if self._resolver.is_text(address):
                return True
        self._data.add(address)
        return False

    def _reload(self) -> None:
        self._stale, self._fresh = False, True
        self._known.clear()
        with suppress(OSError):  # the old ones are better than none
            self._resolver = self._load()


class Receiver:
    """Takes records, gives events. ``facts`` are a capture's; ``releases`` False: nothing tells when a victim's memory
    is free. Times are of a monotonic clock."""

    def __init__(
        self, facts: Facts, names: Names, releases: bool, near: Callable[[Near], None] = lambda bell: None,
        layout: Optional[Layout] = None, left: Callable[[OomEvent], Left] = lambda event: ((), None),
        whose: Optional[Whose] = None,
    ) -> None:
        """``near`` hears of each memcg that nears its limit. ``layout``: of the records; else that of bpf/records.h.
        ``left`` tells what the sender of a kill has written about it, and how many it has noted on the cgroup.
        ``whose`` makes frames of processes' stacks, if somebody does."""
        self._left = left
        self._near = near
        self._facts = facts
        self._names = names
        self._layout = layout or Layout(source.file("records.h"))
        self._assembler = Assembler(releases)
        self._drafts: dict[int, _Draft] = {}
        self._over: deque[Oom] = deque()  # of which no events are made yet
        self._whose = whose

    @property
    def pending(self) -> bool:
        """Whether an OOM is in hand."""
        return self._assembler.pending

    @property
    def leisurely(self) -> bool:
        """Whether nothing in hand can be over soon."""
        return self._assembler.leisurely

    @property
    def left(self) -> int:
        """How many OOMs have come of which no events are made yet."""
        return len(self._over) + self._assembler.events

    def add(self, data: bytes, now_ns: int) -> None:
        """Take a record. Raises ValueError if it is none."""
        record = self._layout.decode(data)
        if record.kind is RecordKind.NEAR:
            bell = near(record)
            if self._whose is not None and bell.tgid:
                self._whose.near(bell)
            self._near(bell)
            return
        if record.kind is RecordKind.WHO:
            record = self._layout.decode(cleaned(record))
        elif record.kind is RecordKind.SENDER:
            record = self._layout.decode(cleaned_sender(record))
        self._assembler.add(record, now_ns)

    def path_of(self, memcg: int) -> Optional[str]:
        """The path of a memcg of an OOM in hand, by its address; None if it is not known yet."""
        return self._assembler.path_of(memcg)

    def expire_names(self) -> None:
        """Modules have come or gone."""
        self._names.expire()

    def ready(self, now_ns: int) -> Iterator[Traced]:
        """The OOMs that are over."""
        self._over.extend(self._assembler.ready(now_ns))
        return self._made()

    def flush(self) -> Iterator[Traced]:
        """All that are left, finished or not."""
        self._over.extend(self._assembler.flush())
        return self._made()

    def _made(self) -> Iterator[Traced]:
        while self._over:
            yield self._traced(self._over.popleft())

    def code(self, samples: list[bytes], now_ns: int) -> Optional[Code]:
        """Whose code charged what these samples stand for."""
        if self._whose is None:
            return None
        self._names.begin()
        return self._whose.all(samples, self._layout, self._facts, self._names.of, now_ns)

    def killed(self) -> Iterator[OomEvent]:
        """The OOMs whose kill is over while the victim still has its memory: all that the kernel has printed of them so
        far. They come once more when they are ``ready``."""
        for oom in self._assembler.killed():
            draft = self._drafts[oom.oom_id] = self._decoded(oom, self._facts_now())
            yield draft.event

    def panicking(self, panic_on_oom: int) -> Iterator[Traced]:
        """What is known so far of OOMs at which the kernel panics, as that sysctl is set. They come once more when they
        are ``ready``, if it does not."""
        self._assembler.panic_on_oom = panic_on_oom
        for oom in self._assembler.panicking():
            facts = self._facts_now()
            yield self._with_capture(self._decoded(oom, facts), oom, facts)

    def _facts_now(self) -> Facts:
        """With the time of day, and whatever else may change while the trace runs."""
        panic_on_oom = self._assembler.panic_on_oom or None
        return replace(machine.current(self._facts), boot_unix_ns=boot_unix_ns(), panic_on_oom=panic_on_oom)

    def _decoded(self, oom: Oom, facts: Facts) -> _Draft:
        met: dict[int, str] = {}

        def name_of(address: int) -> Optional[str]:
            name = self._names.of(address)
            if name is not None:
                met[address] = name
            return name

        self._names.begin()
        return _Draft(Decoder(self._layout, facts, name_of).event(oom), met, _timely(oom))

    def _traced(self, oom: Oom) -> Traced:
        facts = self._facts_now()
        if oom.followed_ns is not None:
            facts = replace(facts, followed_ns=oom.followed_ns - oom.oom_id)
        draft = self._drafts.pop(oom.oom_id, None)
        if draft is not None and draft.records == _timely(oom):
            late = Decoder(self._layout, facts, self._names.of)
            draft = draft._replace(event=late.completed(draft.event, oom))
        else:
            draft = self._decoded(oom, facts)
        if draft.event.killed is not None:
            said, oomd_kills = self._left(draft.event)
            facts = replace(facts, said=said, oomd_kills=oomd_kills)
            killed = replace(draft.event.killed, said=said, oomd_kills=oomd_kills)
            draft = draft._replace(event=replace(draft.event, killed=killed))
        code, raw = (None, None)
        if self._whose is not None:
            code, raw = self._whose.of(oom, self._layout, facts, self._names.of)
        return self._with_capture(draft, oom, facts, code, raw)

    def _with_capture(
        self, draft: _Draft, oom: Oom, facts: Facts, code: Optional[Code] = None, raw: Any = None
    ) -> Traced:
        records = [without_memory(record) for record in oom.records]
        # Not a lambda: it goes from process to process (repro/recorder.py).
        dump = partial(capture.dump, self._layout.text, facts, records, draft.names, oom.lost, code, raw)
        return Traced(replace(draft.event, code=code), dump)


class _Draft(NamedTuple):
    """An event, maybe without what comes late, the names in it, and the number of records that it is made of."""

    event: OomEvent
    names: dict[int, str]
    records: int


def _timely(oom: Oom) -> int:
    """How many records it has, late ones apart."""
    return sum(record.kind not in LATE for record in oom.records)

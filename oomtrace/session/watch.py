"""When to look, and what is kept of it: from the bells in the kernel to what an event shows.

At the first charge to a memcg with a limit it is asked which container that is, and this is kept: a container may be
gone a moment later. Other looks cost more, and there are few: at a memcg that nears its limit, and at an OOM as it
begins; ten a second at most. One that stays near its limit is looked at again once a minute, as far as all such looks
together take 0.04 % of a CPU; else at its numbers alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Callable, Optional

from oomtrace.model import Glance, Look, Occasion, OomEvent, UsageHistory
from oomtrace.plain import to_plain
from oomtrace.session.below import Below
from oomtrace.session.looker import Answer, Looker
from oomtrace.session.receive import Traced
from oomtrace.wire.near import Near, NearCause
from oomtrace.wire.seen import Seen, read, with_histories, with_objects

_EVERY_S, _AT_ONCE = 0.1, 10.0  # looks: one each so many seconds, of which so many may come together
_AGAIN_SHARE = 0.0004  # of a CPU, for looks at what has been looked at: hearing of a hundred takes about as much again
_AGAIN_MOST_S = 0.015  # of that CPU time there may be so much left over, or owed; more where the machine is slower
_KEPT = 256  # memcgs
_KEPT_LOOKS, _KEPT_GLANCES = 3, 16  # of each; so many looks at OOMs, and so many others
_KEPT_CONTAINERS = 2048  # memcgs of containers
_KNOWN = 4096  # memcgs whose paths are remembered by their addresses
_AT_MOST_NAMELESS = 16
_ONE_OOM_S = 0.2  # within it, what begins is the same OOM, or too many in a row
_LATE_NS = 2_000_000_000  # a look is one at this OOM if it begins so soon after it
_PATIENCE_S = 0.25  # that an event waits for a look at it; longer where the machine is slower
_FIRST_PATIENCE_S = 2.0  # while the process that looks is not ready yet
_DEAF = 2  # looks that have not come back in time: after so many nobody waits any more


@dataclass
class _Sight:
    """One look or glance: as JSON has it, and as an object, made once, as in a storm many events show it."""

    kind: Any
    plain: dict[str, Any]

    @property
    def time_ns(self) -> int:
        return int(self.plain["time_ns"])

    @cached_property
    def value(self) -> Any:
        return read(self.kind, self.plain)


@dataclass
class _Kept:
    """What has been seen of a memcg."""

    before: deque[_Sight]  # looks when it came near its limit
    at_ooms: deque[_Sight]  # an OOM may begin again and again until the memory is free
    glances: deque[_Sight]

    @property
    def looks(self) -> list[_Sight]:
        """All of them, by time."""
        return sorted((*self.before, *self.at_ooms), key=lambda look: look.time_ns)


@dataclass
class _Held:
    traced: Traced
    until: float


class Watch:
    """Hears of bells and of OOMs, asks for looks, and puts them into events. Times in seconds are ``clock``'s.

    ``looks``: how many were asked for, by occasion. ``skipped``: how many were not, as there were too many.
    """

    def __init__(
        self, looker: Looker, clock: Callable[[], float] = time.monotonic, below: Optional[Below] = None,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._looker, self._clock, self._below, self._cpu = looker, clock, below, cpu
        self._paths: dict[int, str] = {}
        self._nameless: dict[int, int] = {}  # memcgs in which an OOM has begun, whose path is not known yet
        self._kept: dict[Optional[str], _Kept] = {}
        self._contained: dict[str, _Sight] = {}  # which container a memcg is, as of its first charge
        self._asked: dict[int, tuple[Optional[str], Occasion]] = {}  # by number
        self._oom_asked: dict[Optional[str], float] = {}  # when
        self._number = 0
        self._again: set[int] = set()  # of those, looks at what stays near its limit
        self._tokens, self._again_s, self._filled = _AT_ONCE, _AGAIN_MOST_S, clock()
        self._patience_s, self._slower = _FIRST_PATIENCE_S, 1.0
        self._late = 0
        self._held: list[_Held] = []
        self.looks: dict[Occasion, int] = dict.fromkeys(Occasion, 0)
        self.skipped = 0

    @property
    def fd(self) -> int:
        """Can be read when a look has come back."""
        return self._looker.fd

    def warm(self) -> None:
        """The trace is ready: now there is time to be ready for looks."""
        self._looker.warm()

    def near(self, bell: Near) -> None:
        """A memcg is new or nears its limit, or the machine has begun to reclaim."""
        if bell.path is not None:
            self._paths.pop(bell.memcg, None)
            self._paths[bell.memcg] = bell.path
            _shorten(self._paths, _KNOWN)
            if bell.cause is NearCause.FIRST_CHARGED:
                self._request(bell.path, bell.tgid, Occasion.FIRST_CHARGE)
                return
        occasion = Occasion.RECLAIM if bell.path is None else Occasion.NEAR_LIMIT
        self._fill()
        again = bell.cause is NearCause.STAYS_NEAR and bell.path in self._kept
        if not again:
            self._ask(bell.path, bell.tgid, occasion)
        elif self._again_s <= -_AGAIN_MOST_S * self._slower:  # there are too many of them
            self.skipped += 1
        else:
            begin_s = self._cpu()
            if self._ask(bell.path, bell.tgid, occasion, glance=self._again_s <= 0, again=True):
                self._again.add(self._number)
            self._again_s -= self._cpu() - begin_s

    def begins(self, memcg: int, tgid: int) -> None:
        """An OOM begins in the memcg of that address, 0: of the machine. ``tgid``: the process that triggered it."""
        path, now = self._paths.get(memcg), self._clock()
        if path is not None or not memcg:
            if now - self._oom_asked.get(path, -_ONE_OOM_S) >= _ONE_OOM_S and self._ask(path, tgid, Occasion.OOM):
                self._oom_asked[path] = now
                _shorten(self._oom_asked, _KEPT)
                self._read_below(path)
        else:
            self._nameless[memcg] = tgid
            _shorten(self._nameless, _AT_MOST_NAMELESS)

    def name(self, path_of: Callable[[int], Optional[str]]) -> None:
        """Look where an OOM has begun in a memcg that had not been near its limit, as its path is known now."""
        for memcg, tgid in list(self._nameless.items()):
            path = path_of(memcg)
            if path is not None:
                del self._nameless[memcg]
                self._paths[memcg] = path
                if self._ask(path, tgid, Occasion.OOM):
                    self._read_below(path)

    def _read_below(self, path: Optional[str]) -> None:
        if self._below is not None:
            self._below.read(path, self._paths, self._slower)

    def _ask(
        self, memcg: Optional[str], tgid: int, occasion: Occasion, glance: bool = False, again: bool = False
    ) -> bool:
        self._fill()
        if self._tokens >= 1 and self._request(memcg, tgid, occasion, glance, again):
            self._tokens -= 1
            return True
        self.skipped += 1
        return False

    def _request(
        self, memcg: Optional[str], tgid: int, occasion: Occasion, glance: bool = False, again: bool = False
    ) -> bool:
        if (memcg, occasion) in self._asked.values():
            return False
        self._number += 1
        if not self._looker.ask(self._number, memcg, (tgid,), occasion.value, glance, again):
            return False
        self._asked[self._number] = memcg, occasion
        self.looks[occasion] += not glance
        return True

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(_AT_ONCE, self._tokens + (now - self._filled) / _EVERY_S)
        self._again_s = min(_AGAIN_MOST_S * self._slower, self._again_s + (now - self._filled) * _AGAIN_SHARE)
        self._filled = now

    def take(self) -> None:
        """The looks that have come back."""
        begin_s = self._cpu()
        answers = self._looker.answers()
        again = sum(answer.cpu_ns / 1e9 for answer in answers if answer.number in self._again)
        for answer in answers:
            self._keep(answer)
        if again:
            self._again_s -= again + self._cpu() - begin_s

    def _keep(self, answer: Answer) -> None:
        if answer.slower is not None:
            self._slower = answer.slower
            self._patience_s = _PATIENCE_S * answer.slower
        if answer.number is not None:
            self._late = 0
            self._asked.pop(answer.number, None)
        if answer.look is not None and answer.look["occasion"] == Occasion.FIRST_CHARGE:
            if answer.look["containers"]:
                self._contained[answer.look["memcg"]] = _Sight(Look, answer.look)
                _shorten(self._contained, _KEPT_CONTAINERS)
        elif answer.look is not None:
            kept = self._of_memcg(answer.look["memcg"])
            (kept.at_ooms if answer.look["occasion"] == Occasion.OOM else kept.before).append(_Sight(Look, answer.look))
        self._again.discard(answer.number or 0)
        if answer.glance is not None:
            self._of_memcg(answer.glance["memcg"]).glances.append(_Sight(Glance, answer.glance))

    def _of_memcg(self, memcg: Optional[str]) -> _Kept:
        """Where it is kept; it is the last to be forgotten now."""
        kept = self._kept.pop(memcg, None) or _Kept(
            deque(maxlen=_KEPT_LOOKS), deque(maxlen=_KEPT_LOOKS), deque(maxlen=_KEPT_GLANCES))
        self._kept[memcg] = kept
        _shorten(self._kept, _KEPT)
        return kept

    # An event that is over waits for a look that is on its way.

    def hold(self, traced: Traced) -> Iterator[Traced]:
        """The event with what was seen, now or when ``ripe`` gives it: in their order, so that one that waits lets none
        pass."""
        if not self._held and not (self._late < _DEAF and self._on_the_way(traced.event)):
            yield self._with_looks(traced)
            return
        self._held.append(_Held(traced, self._clock() + self._patience_s))

    def _on_the_way(self, event: OomEvent) -> bool:
        memcg = _memcg(event)
        return any(path == memcg for path, _ in self._asked.values())

    def ripe(self, all_of_them: bool = False) -> Iterator[Traced]:
        """The held events up to the first whose look is still to come, and which has not waited for long enough."""
        while self._held:
            first = self._held[0]
            if self._late < _DEAF and self._on_the_way(first.traced.event):
                if self._clock() < first.until and not all_of_them:
                    return
                self._late += 1
                self._forget(_memcg(first.traced.event))
            del self._held[0]
            yield self._with_looks(first.traced)

    def _forget(self, memcg: Optional[str]) -> None:
        """Wait for this look no more."""
        for number in [number for number, (path, _) in self._asked.items() if path == memcg]:
            del self._asked[number]

    @property
    def held(self) -> int:
        """How many events wait for a look."""
        return len(self._held)

    @property
    def wait_ms(self) -> Optional[int]:
        """How long until an event has waited for long enough; None: there is none that waits."""
        if not self._held:
            return None
        return max(0, int((self._held[0].until - self._clock()) * 1000) + 1)

    def _with_looks(self, traced: Traced) -> Traced:
        event, (looks, glances), histories = traced.event, self._of(traced.event), self._histories(traced.event)
        if not looks and not glances and not histories:
            return traced
        if looks or glances:
            event = with_objects(event, [look.value for look in looks], [each.value for each in glances])
        more = [to_plain(history) for history in histories]
        seen = Seen([look.plain for look in looks], [each.plain for each in glances], more)
        return Traced(with_histories(event, histories), partial(traced.capture, seen=seen))

    def _histories(self, event: OomEvent) -> list[UsageHistory]:
        """Of the largest memcgs below the full one, of which no record tells."""
        if self._below is None or not event.is_oom or event.trace.begin_ns is None:
            return []
        known = {history.memcg for history in event.trace.history}
        return [each for each in self._below.of(_memcg(event), event.trace.begin_ns) if each.memcg not in known]

    def _of(self, event: OomEvent) -> tuple[list[_Sight], list[_Sight]]:
        """The last look before the OOM and the first after it began; the glances up to then. And at the first charge,
        which containers they are that nobody has named since."""
        kept, begin_ns = self._kept.get(_memcg(event)), event.trace.begin_ns
        first = self._first_charges(event)
        if kept is None or begin_ns is None:
            return first, []
        boot_ns = begin_ns + time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        all_looks = kept.looks
        before = [look for look in all_looks if look.time_ns < boot_ns]
        after = [look for look in all_looks if boot_ns <= look.time_ns < boot_ns + _LATE_NS]
        looks = before[-1:] + after[:1]
        named = {one["id"] for look in looks for one in look.plain["containers"] if one["name"] is not None}
        first = [look for look in first if any(one["id"] not in named for one in look.plain["containers"])]
        return first + looks, [each for each in kept.glances if each.time_ns < boot_ns + _LATE_NS]

    def _first_charges(self, event: OomEvent) -> list[_Sight]:
        """Of the memcgs around the full one, the victim and the trigger."""
        found = {}
        for path in (_memcg(event), event.report.victim_memcg, event.report.trigger.memcg):
            while path:
                if path in self._contained:
                    found[path] = self._contained[path]
                path = path.rpartition("/")[0]
        return sorted(found.values(), key=lambda look: look.time_ns)

    def close(self) -> None:
        """End the process that looks."""
        self._looker.close()


def _memcg(event: OomEvent) -> Optional[str]:
    """Which memcg's looks belong to the event; None: those of the machine."""
    if event.killed is not None:
        return next((victim.memcg for victim in event.killed.victims), "")
    return event.report.memcg.path if event.kind == "memcg" and event.report.memcg is not None else None


def _shorten(kept: dict[Any, Any], most: int) -> None:
    """Forget the oldest."""
    while len(kept) > most:
        del kept[next(iter(kept))]

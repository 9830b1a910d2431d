"""How usage has gone in memcgs below the full one, of which no record tells."""

from __future__ import annotations

import io
from pathlib import Path
from struct import pack
from typing import Optional

from oomtrace.model import OomEvent, Report, Trace, UsageHistory, UsageMoment
from oomtrace.plain import to_plain
from oomtrace.programs import prebuilt
from oomtrace.programs.image import MapSpec
from oomtrace.session.below import Below
from oomtrace.wire import capture
from oomtrace.wire.seen import Seen, with_histories

OOM = 2000 << 30  # begins in second 2000 since boot, minute 31
FULL = 1


def kept(*seconds: tuple[int, int], minutes: tuple[tuple[int, int], ...] = ()) -> bytes:
    """struct history (bpf/near.h) with these slots and pages."""
    data = pack("=QQIIII", 7, 0, max(slot for slot, _ in seconds), 0, 1, 0)
    for slots in (seconds, minutes):
        at = {slot % 64: (slot, pages) for slot, pages in slots}
        data += b"".join(pack("=II", *at.get(number, (0, 0))) for number in range(64))
    return data


PATHS = {FULL: "/shop", 2: "/shop/one", 3: "/shop/two", 4: "/shopping", 5: "/shop/gone", 6: "/bank"}
USAGE_KB = {"/shop": 90, "/shop/one": 10, "/shop/two": 50, "/shopping": 99, "/bank": 80}  # one is there no more


def below(found: dict[int, bytes], usage_kb: Optional[dict[str, int]] = None) -> Below:
    return Below(found.get, (usage_kb or USAGE_KB).get, 4, cpu=lambda: 0.0)


def test_the_largest_below_come_first_and_no_others() -> None:
    them = below({FULL: kept((2000, 90)), 2: kept((1998, 10)), 3: kept((1999, 20), (2000, 50), minutes=((30, 15),)),
                  4: kept((2000, 99)), 5: kept((1990, 99)), 6: kept((2000, 80))})
    them.read("/shop", PATHS)
    two, one = them.of("/shop", OOM)
    assert two == UsageHistory("/shop/two", (UsageMoment(1 << 30, 80), UsageMoment(0, 200)), (
        UsageMoment(OOM - (30 << 36), 60), UsageMoment(OOM - (31 << 36), 200)))
    assert (one.memcg, one.seconds) == ("/shop/one", (UsageMoment(2 << 30, 40),))
    assert them.of("/bank", OOM) == []


def test_of_the_machine_and_of_the_root_all_are_below() -> None:
    them = below({2: kept((2000, 10)), 6: kept((2000, 80))})
    for full in (None, "/"):
        them.read(full, PATHS)
        assert [each.memcg for each in them.of(full, OOM)] == ["/bank", "/shop/one"]


def test_five_and_what_is_older_than_a_minute_and_an_hour_not_at_all() -> None:
    paths = {number: f"/shop/{number}" for number in range(10)}
    them = below({number: kept((2000 - 100 * (number == 9), 10)) for number in range(10)},
                 {path: 10 + number for number, path in paths.items()})
    them.read("/shop", paths)
    assert [each.memcg for each in them.of("/shop", OOM)] == [f"/shop/{number}" for number in (9, 8, 7, 6, 5)]
    assert them.of("/shop", OOM)[0].seconds == ()  # its last minute ended before; the hour has it


def test_there_is_little_time_and_those_heard_of_last_come_first() -> None:
    spent: list[float] = []
    paths = {number: f"/shop/{number}" for number in range(10)}

    def usage_kb(path: str) -> int:
        spent.append(0.004)
        return 10

    them = Below(lambda memcg: kept((2000, 10)), usage_kb, 4, cpu=lambda: sum(spent))
    them.read("/shop", paths)
    assert [each.memcg for each in them.of("/shop", OOM)] == ["/shop/9", "/shop/8"]
    them.read("/shop", paths, slower=2.5)
    assert len(them.of("/shop", OOM)) == 4


def test_an_event_and_its_capture_have_them_once() -> None:
    own = UsageHistory("/shop", (UsageMoment(0, 400),))
    more = [UsageHistory("/shop/two", (UsageMoment(0, 200),)), own]
    event = with_histories(OomEvent("memcg", Report(), Trace(history=(own,))), more)
    assert [each.memcg for each in event.trace.history] == ["/shop", "/shop/two"]

    data = (Path(__file__).parents[1] / "fixtures" / "data" / "6.1-memcg-v2.oom").read_bytes()
    found = capture.load(io.BytesIO(data))
    made = capture.dump(found.layout.text, found.facts, found.records, found.symbols, 0,
                        seen=Seen(histories=[to_plain(more[0])]))
    (event,) = capture.events(capture.load(io.BytesIO(made)))
    assert event.trace.history[-1] == more[0]
    assert event.witness is None and not event.origin.missing


def test_the_map_holds_what_is_read_here() -> None:
    spec: Optional[MapSpec] = next((spec for spec in prebuilt.load().maps if spec.name == "histories"), None)
    assert spec is not None and (spec.key_size, spec.value_size) == (8, len(kept((1, 1))))

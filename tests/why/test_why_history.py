"""How usage had gone before: the shape of the last minute, or of the last hour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from oomtrace import why
from oomtrace.model import (
    Glance,
    Kill,
    Memcg,
    MemcgStats,
    OomEvent,
    PageCounter,
    Pressure,
    UsageHistory,
    UsageMoment,
    Witness,
)
from oomtrace.output.bars import sparkline
from oomtrace.why.causes.history import History
from tests.events import changed, made

SECOND, MINUTE = 1 << 30, 1 << 36
MIB = 1024


def moments(mib: Sequence[float], each_ns: int) -> tuple[UsageMoment, ...]:
    """The last one began half a stretch before the OOM."""
    count = len(mib)
    return tuple(UsageMoment((count - 1 - at) * each_ns + each_ns // 2, int(size * MIB)) for at, size in enumerate(mib))


def event(seconds: Sequence[float] = (), minutes: Sequence[float] = (), stat: str = "anon") -> OomEvent:
    limit_kb = int((seconds or minutes)[-1] * MIB)
    stats = MemcgStats("/box", {"anon": 0, "file": 0, stat: limit_kb * 1024}, "bytes")
    return made(
        kind="memcg", kills=(Kill(9, "hog"),),
        memcg=Memcg("/box", PageCounter(limit_kb, limit_kb, 1), stats=(stats,), version=2),
        history=(UsageHistory("/box", moments(seconds, SECOND), moments(minutes, MINUTE)),),
    )


def said(found: OomEvent) -> Any:
    return why.explain(found).finding("history")


def test_steady_then_a_rise() -> None:
    finding = said(event([31.0] * 55 + [40.0, 64.0]))
    assert finding.reason is History.STEADY_THEN_ROSE
    values = {fact.name: fact.value for fact in finding.facts}
    assert values == {
        "steady_ns": 55 * SECOND, "level_kb": 31 * MIB, "rise_kb": 33 * MIB, "rise_ns": SECOND + SECOND // 2,
    }
    assert finding.sentence == "Steady for 59 s at 31.0 MiB, then +33.0 MiB in 1.6 s."


def test_a_start_before_the_steady_time_does_not_matter() -> None:
    finding = said(event([3.0, 20.0, 40.0] + [51.0] * 8 + [60.0]))
    assert finding.sentence == "Steady for 8.6 s at 51.0 MiB, then +9.0 MiB in 0.5 s."


def test_seconds_without_a_batch_are_as_those_before_them() -> None:
    found = event([31.0] * 30 + [64.0])
    (history,) = found.trace.history
    gaps = tuple(moment for moment in history.seconds if moment.before_ns > 29 * SECOND or moment.usage_kb > 40 * MIB)
    assert len(gaps) < 5
    with_gaps = made(kind="memcg", kills=(Kill(9, "hog"),), memcg=found.report.memcg,
                     history=(UsageHistory("/box", gaps),))
    assert said(with_gaps).sentence == said(found).sentence


@pytest.mark.parametrize("stat, leak", [("anon", True), ("file", False)])
def test_a_straight_line_of_an_hour(stat: str, leak: bool) -> None:
    finding = said(event([250.0] * 5, [10 + 4.0 * minute for minute in range(60)], stat))
    assert finding.reasons[0] is History.STRAIGHT_LINE_OF_MINUTES
    assert finding.has(History.A_LEAK) is leak
    assert finding.confidence == (why.LIKELY if leak else why.CERTAIN)
    assert finding.sentence.startswith("A straight line of 3.5 MiB a minute for 68 min.")


def test_a_straight_line_of_a_minute_is_no_leak() -> None:
    finding = said(event([10 + 0.8 * second for second in range(60)]))
    assert finding.reasons == (History.STRAIGHT_LINE_OF_SECONDS,)


def test_it_had_been_full_for_long() -> None:
    finding = said(event([64.0] * 60, [20.0, 50.0] + [64.0] * 40, "file"))
    assert finding.reason is History.AT_LIMIT


def test_up_and_down() -> None:
    assert said(event([20.0, 60.0] * 20 + [64.0])).reason is History.MOVED


def test_too_short_to_say() -> None:
    assert said(event([20.0, 64.0])) is None
    assert said(made(kind="memcg", kills=(Kill(9, "hog"),), memcg=Memcg("/box"))) is None


def test_another_memcg_s_history() -> None:
    found = made(kind="memcg", kills=(Kill(9, "hog"),), memcg=Memcg("/box"),
                 history=(UsageHistory("/other", moments([1.0] * 9, SECOND)),))
    assert said(found) is None


def test_tasks_waited_for_memory_before() -> None:
    found = changed(event([31.0] * 10 + [64.0]), witness=Witness(glances=(
        Glance(1, "/box", pressure=Pressure(some_avg10=2.0)),
        Glance(2, "/box", pressure=Pressure(34.5, full_avg10=20.0)),
        Glance(3, "/box"),
    )))
    assert said(found).sentence.endswith(
        "some of its tasks waited for memory 34.5 % of 10 s, all of them 20.0 % (PSI).")
    calm = changed(found, witness=Witness(glances=(Glance(1, "/box", pressure=Pressure(some_avg10=2.0)),)))
    assert not said(calm).has(History.WAITED)


def test_the_picture() -> None:
    assert sparkline([0, 50, 100]) == "▁▅█"
    assert sparkline([]) == "" and sparkline([0, 0]) == "▁▁"
    assert why.explain(event([31.0] * 10 + [64.0])).usage_kb[-1] == 64 * MIB

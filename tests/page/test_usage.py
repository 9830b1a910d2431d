"""The picture of usage before the OOM."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("jinja2")

from oomtrace.model import Growth, MemcgLevel, OomEvent, UsageHistory, UsageMoment  # noqa: E402
from tests.events import changed  # noqa: E402
from tests.page import scenes  # noqa: E402

SECOND, MINUTE = 1 << 30, 1 << 36


def event(seconds: int, minutes: int = 0) -> OomEvent:
    found = scenes.captured("demo")
    assert found.report.memcg is not None and found.report.memcg.path is not None
    path = found.report.memcg.path
    history = UsageHistory(
        path,
        tuple(UsageMoment(at * SECOND + 1, 1024 * (40 - at)) for at in reversed(range(seconds))),
        tuple(UsageMoment(at * MINUTE + 1, 1024 * (30 - at)) for at in reversed(range(minutes))),
    )
    levels = tuple(replace(level, limit_kb=48 << 10) if level.path == path else level for level in found.trace.levels)
    return changed(found, history=(history,), levels=levels or (MemcgLevel(path, limit_kb=48 << 10),))


def page(found: OomEvent) -> str:
    return scenes.page(found)


def test_a_column_for_each_second_and_the_limit() -> None:
    shown = page(event(30))
    assert shown.count('class="usage"') == 30
    assert "Usage in the 31 s before, by the second" in shown
    assert "The height is 48.0 MiB" in shown
    assert 'class="limit"' in shown
    assert "by the minute" not in shown


def test_minutes_as_well() -> None:
    shown = page(event(30, 20))
    assert shown.count('class="usage"') == 50
    assert "by the minute" in shown


def test_what_is_too_short_is_no_picture() -> None:
    assert 'class="usage"' not in page(event(2))


def test_without_history() -> None:
    assert 'class="usage"' not in page(scenes.captured("demo"))


def charged(*growth: Growth) -> str:
    return scenes.page(changed(scenes.captured("demo"), growth=growth))


def test_charges_by_the_second_are_stacked_by_process() -> None:
    victim = scenes.captured("demo").report.kills[0]
    shown = charged(Growth(victim.pid, victim.comm, 1536, "/foo", 4 << 30, (256, 256, 0, 1024)),
                    Growth(7, "late", 512, "/foo", 2 << 30, (256, 256)))
    picture = shown.split("Charged in the")[1].split("</svg>")[0]
    assert [f"{before} s before" in picture for before in (3, 2, 1)] == [True] * 3
    assert picture.count("<rect") == 5  # the victim in three columns, the other one in the last two
    assert 'class="c-victim"' in picture and "late (7) 1.0 MiB" in picture
    assert "The height is 5.0 MiB in one second" in shown
    assert f"{victim.comm} ({victim.pid})" in shown and "75.0 %" in shown and "25.0 %" in shown


def test_many_who_charge_are_one_layer() -> None:
    shown = charged(*(Growth(pid, "one", 30, "/foo", 3 << 30, (10, 10, 10)) for pid in range(1, 9)))
    assert "3 others" in shown.split("Charged in the")[1]


def test_charges_that_were_not_counted_by_the_second_are_no_picture() -> None:
    assert "Charged in the" not in charged(Growth(7, "late", 512, "/foo", 2 << 30))
    assert "Charged in the" not in charged(Growth(7, "late", 512, "/foo", 2 << 30, (256, 256)))

"""The picture of usage before the OOM."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("jinja2")

from oomtrace.model import MemcgLevel, OomEvent, UsageHistory, UsageMoment  # noqa: E402
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

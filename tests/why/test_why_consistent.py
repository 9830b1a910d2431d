"""An explanation does not contradict itself: numbers that seem to do so are explained where they stand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from oomtrace import text, why
from oomtrace.model import OomEvent
from oomtrace.text.source import opened
from oomtrace.wire import capture
from tests.events import changed

TESTS = Path(__file__).resolve().parents[1]


def logged(path: str) -> OomEvent:
    """The first OOM of a log in tests/."""
    with opened(str(TESTS / path)) as source:
        return next(text.read(source))


def captured(path: str) -> OomEvent:
    """The OOM of a capture in tests/."""
    with opened(str(TESTS / path)) as source:
        (event,) = capture.events(capture.load(source))
        return event


def said(event: OomEvent, finding: str) -> str:
    """What a finding says and concludes."""
    found = next(one for one in why.explain(event).findings if one.id == finding)
    return f"{found.sentence} {found.interpretation or ''}"


def test_tasks_have_more_in_swap_than_there_is() -> None:
    assert ("Besides, 130.7 MiB (133844 kB) are in swap: more than the 128.0 MiB that are used there, since a page "
            "that tasks share is counted once for each.") in said(logged("wire/data/6.1-swap.log.gz"), "tasks")


def test_nobody_took_memory_before_it_began() -> None:
    event = captured("fixtures/data/7.3-code.oom")
    grown = max(event.trace.growth, key=lambda growth: growth.charged_pages)
    assert grown.window_ns is not None and grown.window_ns > 8 * 10**9
    assert "It also took most: 64.7 MiB in the last 2.463 s." in said(event, "charging")


def test_a_part_of_the_swap_cache_is_in_tasks() -> None:
    event = logged("why/cases/swap-cache-not-accounted.txt")
    assert "3.2 MiB (3300 kB) belongs to no task. It is a part of: swap cache 4.9 MiB." in said(event, "tasks")
    assert "The swap cache is mostly such memory, on its way to swap or back." in said(event, "filled")


def test_both_limits_are_to_be_raised() -> None:
    first, *_ = why.explain(logged("why/cases/memsw-nearly-full.txt")).suggestions
    assert first.sentence == ("Raise the limit of /test above 8.0 MiB, and that of memory+swap above 16.0 MiB, or make "
                          "madvise (53968) use less.")


def test_points_of_the_only_candidate_hold_its_oom_score_adj() -> None:
    assert ("python3 (107) has 148601 points, score 588. Its oom_score_adj of 500 is counted in. No other task is "
            "listed") in said(logged("wire/data/6.12-unusual-sysrq.log.gz"), "pick")


def test_a_small_share_is_not_none() -> None:
    event = logged("why/cases/adj-blamed-for-passed-over.txt")
    assert "tuned (1203) 12.3 MiB (under 0.1 %)" in said(event, "tasks")


def test_who_asked_is_said_to_be_the_victim() -> None:
    event = captured("fixtures/data/6.1-memcg-v2.oom")
    victim = event.report.kills[0].pid
    assert "It itself had asked for memory." in said(event, "killed")
    thread = replace(event.report.trigger, pid=9999, tgid=victim)
    assert "One of its threads had asked for memory." in said(changed(event, trigger=thread), "killed")
    another = replace(event.report.trigger, pid=9999, tgid=9999)
    assert "The task that triggered the OOM is in the same cgroup." in said(changed(event, trigger=another), "killed")

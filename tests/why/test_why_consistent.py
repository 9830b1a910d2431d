"""An explanation does not contradict itself: numbers that seem to do so are explained where they stand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Optional

import pytest
from why_events import NO_LIMIT_KB, machine_wide, seed, task

from oomtrace import text, why
from oomtrace.model import OomEvent, PageCounter
from oomtrace.output.base import with_names
from oomtrace.text.source import opened
from oomtrace.why import LIKELY
from oomtrace.wire import capture
from tests.events import changed

TESTS = Path(__file__).resolve().parents[1]


def logged(path: str) -> OomEvent:
    """The first OOM of a log in tests/."""
    with opened(str(TESTS / path)) as source:
        return with_names(next(text.read(source)))


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


# A case, a finding, what it says.
WORDS = (
    ("advice-while-free", "tasks", "There is no task table. Who holds the memory is unknown. The kernel printed none: "
                                   "vm.oom_dump_tasks is 0."),
    ("shared-buffers-freed", "tasks", "At least 4.1 GiB (4248324 kB) is in no listed task: file cache,"),
    ("no-killable-but-listed", "tasks", "At least 957.1 MiB (980034 kB) is in no listed task: 874.8 MiB of that is in "
                                        "no statistics either."),
    ("memsw-nearly-full", "tasks", "The task alone exceeds the cgroup's usage: some pages are charged elsewhere."),
    ("memsw-nearly-full", "pick", "The table leaves no other choice."),
    ("pagetables-before-counter", "swap", "Swap used: 0 kB by the cgroup's counter, 220.3 MiB by its tasks."),
    ("swap-cache-not-accounted", "swap", "Swap used: 6.0 MiB (6140 kB), 4.9 MiB of it for pages that are in RAM too "
                                         "(swap cache)."),
    ("lowmem-highmem-free", "zones", "free 40.1 MiB (41056 kB), min watermark 40.1 MiB (41100 kB)."),
    ("lowmem-highmem-free", "zones", "277.5 MiB were free in zone HighMem, but this allocation may use only "
                                     "zones up to Normal."),
    ("lowmem-highmem-free", "filled", "Most of the memory in all zones was file cache."),
    ("lowmem-highmem-free", "reclaim", "2.7 GiB (2869184 kB), in all zones."),
    ("cma-block-unmovable", "filled", "Most of the memory in all zones was file cache."),
    ("membind-node-full", "zones", "free 7.9 MiB, min watermark 8.0 MiB."),
    ("bpf-declared-no-limit", "killed", "It was in the cgroup of the OOM itself."),
    ("charge-contiguous-pages", "reclaim", "Fragmentation plays no part in a limit."),
    ("group-without-marker", "killed", "the first one's line is there twice, and only such a kill prints it twice."),
)


@pytest.mark.parametrize("case, finding, words", WORDS)
def test_words(case: str, finding: str, words: str) -> None:
    assert words in said(logged(f"why/cases/{case}.txt"), finding)


def test_a_table_that_is_not_there_is_a_fact_and_why_is_not_sure() -> None:
    found = why.explain(logged("why/cases/charge-contiguous-pages.txt")).finding("tasks")
    assert found is not None and (found.reason.value, found.confidence) == ("not_printed", LIKELY)
    assert found.interpretation == "The kernel printed none: vm.oom_dump_tasks is 0."


def test_a_little_file_cache_is_not_none() -> None:
    assert "Hardly any file cache was left" in said(seed(), "reclaim")
    assert "No file cache was left to drop." in said(logged("why/cases/swap-cache-not-accounted.txt"), "reclaim")


@pytest.mark.parametrize("memsw, why_none", [
    (PageCounter(1048576, NO_LIMIT_KB, 0), "none is on, or swappiness is 0."),
    (PageCounter(1048576, 2097152, 0), "none is on, or swappiness is 0."),
    (PageCounter(1048576, 1048576, 0), "its limit allows none."),
    (None, "none is on, swappiness is 0, or its limit allows none."),
])
def test_why_no_swap_was_counted(memsw: Optional[PageCounter], why_none: str) -> None:
    memcg = seed().report.memcg
    assert memcg is not None
    event = changed(seed(), memcg=replace(memcg, memsw=memsw))
    assert said(event, "totalpages").endswith(f"No swap was counted: {why_none}")


def test_what_is_shared_of_a_large_task() -> None:
    advice = [one.sentence for one in why.explain(logged("why/cases/shared-buffers-freed.txt")).suggestions]
    assert "postmaster (3499662) alone holds 4.1 GiB of 15.3 GiB, 3.3 GiB of it shared." in advice[1]
    rows = (task(11, "hog", 200000, rss_shmem_pages=190000, rss_anon_pages=9000, rss_file_pages=1000),)
    assert any("hog (11) alone holds 781.2 MiB of 976.6 MiB, 742.2 MiB of it shared." in one.sentence
               for one in why.explain(machine_wide(tasks=rows)).suggestions)
    assert any("alone holds 781.2 MiB of 976.6 MiB. Make" in one.sentence
               for one in why.explain(machine_wide()).suggestions)


def test_advice_is_no_surer_than_the_finding() -> None:
    (advice,) = why.explain(logged("why/cases/membind-node-full.txt")).suggestions
    assert advice.sentence.endswith("it was probably kept to node 0.")


@pytest.mark.parametrize("case, title", [
    ("memsw-nearly-full", "full"), ("advice-while-free", "no memory"), ("lowmem-highmem-free", "full"),
    ("gfp0-contradiction", "page fault"), ("bpf-declared-no-limit", "declared"),
])
def test_what_was_not_full_is_not_called_so(case: str, title: str) -> None:
    found = why.explain(logged(f"why/cases/{case}.txt")).finding("full")
    assert found is not None and found.title == title


def test_a_score_beyond_all() -> None:
    assert "score 1024 (1000 is all there is)." in said(captured("fixtures/data/6.1-memcg-v2.oom"), "pick")

"""Why this victim: every kernel's own formula, and what follows where a log leaves something open."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest
from why_events import machine_wide, memcg2, seed, task

from oomtrace import why
from oomtrace.model import Candidate, Kill, Machine, OomEvent, PageCounter, Task, Verdict
from oomtrace.why import CERTAIN, LIKELY, UNKNOWN, badness
from oomtrace.why.totalpages import totalpages
from tests.events import changed


def released(event: OomEvent, release: Optional[str]) -> OomEvent:
    return changed(event, machine=Machine(release=release))


def pick(event: OomEvent) -> why.Finding:
    finding = why.explain(event).finding("pick")
    assert finding is not None
    return finding


@pytest.mark.parametrize(
    ("release", "root", "floor"),
    [
        ("3.10.0-693.el7.x86_64", ("3 %", "none"), 1),
        ("3.10.0", ("3 %", "30 off adj", "none"), 1),
        ("3.13.0-24-generic", ("3 %", "30 off adj", "none"), 1),
        ("3.16.0", ("3 %", "none"), 1),
        ("4.16.1", ("3 %", "none"), 1),
        ("4.18.0-147.el8.x86_64", ("none",), 1),
        ("5.8.0", ("none",), 1),
        ("5.9.0", ("none",), None),
        ("7.3.4+deb13-cloud-amd64", ("none",), None),
    ],
)
def test_formula_of_a_kernel(release: str, root: tuple, floor: Optional[int]) -> None:  # type: ignore[type-arg]
    assert badness.formula(released(seed(), release)) == badness.Formula(root, floor)


@pytest.mark.parametrize("release", ["2.6.32-642.11.1.el6.x86_64", "3.4.0"])
def test_before_3_5_the_table_shows_too_little(release: str) -> None:
    finding = pick(released(seed(), release))
    assert finding.confidence == UNKNOWN
    assert "neither swap nor page tables" in (finding.interpretation or "")


def test_page_tables_count_in_the_unit_of_their_column() -> None:
    assert badness.pages_of(Task(1, "a", rss_pages=5, swapents_pages=7, nr_ptes=11, nr_pmds=13), 4) == 36
    assert badness.pages_of(Task(1, "a", rss_pages=5, swapents_pages=7, pgtables_bytes=8192), 4) == 14
    assert badness.pages_of(Task(1, "a", rss_pages=5, swapents_pages=7, pgtables_bytes=131072), 64) == 14
    assert badness.pages_of(Task(1, "a", rss_pages=5), 4) is None


def test_adj_is_scaled_by_whole_thousands() -> None:
    assert badness.points(100, 500, 12999) == 100 + 500 * 12
    assert badness.points(1000, -998, 131072, "3 %") == 970 - 998 * 131
    assert badness.points(1000, 0, 131072, "30 off adj") == 1000 - 30 * 131


def test_the_bonus_is_only_roots() -> None:
    weighed = badness.weigh(changed(seed(), tasks=tuple(replace(row, uid=5) for row in seed().report.tasks or ())))
    assert [w.low for w in weighed] == [(863, 863), (263027, 263027)]


def test_agreement_is_certain_if_nothing_open_matters() -> None:
    assert pick(memcg2()).confidence == CERTAIN


def test_a_disagreement_is_reported() -> None:
    finding = pick(memcg2(victim=10))
    assert finding.confidence == UNKNOWN
    assert (finding.interpretation or "").startswith("DISAGREEMENT: by the table hog (11) had more points.")
    assert "number 2 of 2" in finding.sentence


def test_totalpages_decide_where_adj_differ() -> None:
    """1000 of adj is all of totalpages: with the limit alone the hog is first, with much swap the other."""
    rows = (task(10, "small", 100, adj=100), task(11, "hog", 3000))
    finding = pick(memcg2(rows))
    assert finding.confidence == LIKELY
    assert "depends on totalpages" in (finding.interpretation or "")
    assert pick(memcg2(rows, swap=PageCounter(0, 0, 0))).confidence == CERTAIN  # no swap allowed: totalpages are known
    assert pick(changed(memcg2(rows), totalpages=12288)).confidence == CERTAIN


def test_a_score_that_does_not_follow_is_said() -> None:
    event = seed()
    finding = pick(changed(event, verdict=replace(event.report.verdict or Verdict("", 0, "", 0), score=1010)))
    assert "does not follow" in (finding.interpretation or "")
    assert "the kernel printed score 1010" in finding.sentence


def test_a_score_tells_of_swap() -> None:
    event = seed()
    event = changed(event, verdict=replace(event.report.verdict or Verdict("", 0, "", 0), score=500))
    explanation = why.explain(event)
    finding = explanation.finding("totalpages")
    assert finding is not None
    assert finding.confidence == LIKELY
    assert "So much swap was counted" in (finding.interpretation or "")
    assert "follows from them if totalpages are 509256 to 510274" in pick(event).sentence


def test_a_coarse_score_tells_nothing_of_swap() -> None:
    rows = tuple(replace(row, uid=5, rss_pages=2000) for row in seed().report.tasks or () if row.pid == 1399)
    event = changed(seed(), tasks=rows, verdict=Verdict("Memory cgroup out of memory", 1399, "python", 9))
    assert why.explain(event).finding("totalpages") is None


def test_ties() -> None:
    rows = (task(10, "first", 500), task(11, "second", 500))
    finding = pick(memcg2(rows))
    assert "as many as first (10)" in finding.sentence
    assert finding.confidence == CERTAIN


def test_exempt_tasks_and_why() -> None:
    rows = (task(11, "hog", 500), task(12, "sshd", 9000, adj=-1000))
    finding = why.explain(memcg2(rows)).finding("exempt")
    assert finding is not None
    assert "sshd (12): oom_score_adj -1000" in finding.sentence
    assert any(suggestion.finding == "exempt" for suggestion in why.explain(memcg2(rows)).suggestions)


def test_without_adj() -> None:
    rows = (task(10, "big", 9000), task(11, "marked", 100, adj=1000))
    finding = why.explain(memcg2(rows)).finding("adj")
    assert finding is not None
    assert finding.interpretation == "oom_score_adj decided the pick."
    assert "big (10)" in finding.sentence


def test_without_adj_the_exempt_count_too() -> None:
    rows = (task(10, "protected", 9000, adj=-1000), task(11, "hog", 100))
    finding = why.explain(memcg2(rows)).finding("adj")
    assert finding is not None
    assert "protected (10)" in finding.sentence


def test_allocating_task() -> None:
    event = machine_wide()
    kill = replace(event.report.kills[0], message="Out of memory (oom_kill_allocating_task)")
    finding = pick(changed(event, kills=(kill,)))
    assert "vm.oom_kill_allocating_task" in finding.sentence
    assert finding.interpretation == "No badness was compared."


def test_a_task_that_asked_to_go_first() -> None:
    finding = pick(changed(memcg2(), chosen_points=2**63 - 1))
    assert "oom_task_origin" in finding.sentence


def test_a_child_dies_for_its_parent() -> None:
    event = seed()
    finding = why.explain(changed(event, kills=(Kill(1243, "bash"),))).finding("killed")
    assert finding is not None
    assert finding.interpretation == "The kernel had chosen python (1399) and sacrificed this child of it."


def test_a_chosen_thread_is_no_parent() -> None:
    """Up to 4.8 threads are weighed: pid 1400 has no row, but its score is that of the killed process."""
    event = changed(seed(), verdict=Verdict("Memory cgroup out of memory", 1400, "python", 973))
    assert "agrees" in (pick(event).interpretation or "")
    killed = why.explain(event).finding("killed")
    assert killed is not None
    assert "a thread of the same process, or its parent" in (killed.interpretation or "")


def test_no_table() -> None:
    finding = pick(changed(memcg2(), tasks=None))
    assert finding.confidence == UNKNOWN
    assert "there is no task table" in (finding.interpretation or "")


def test_no_row_of_the_chosen() -> None:
    finding = pick(changed(memcg2(), tasks=(task(10, "small", 100),)))
    assert "has no row of it" in (finding.interpretation or "")


def test_a_row_of_another_thread() -> None:
    """The table shows the first thread with an mm, whose pid may not be the process's."""
    rows = (task(10, "small", 100), task(77, "hog", 9000, tgid=11))
    event = changed(memcg2(), tasks=rows)
    assert pick(event).confidence == CERTAIN


def test_live_candidates_are_what_was_weighed() -> None:
    rows = (task(10, "small", 100), task(11, "hog", 5000), task(12, "dying", 9000))
    event = changed(
        memcg2(rows), totalpages=12288, chosen_points=5000, source="live",
        candidates=(Candidate(rows[0], 100), Candidate(rows[1], 5000), Candidate(rows[2], None, "MMF_OOM_SKIP")),
    )
    assert pick(event).confidence == CERTAIN
    exempt = why.explain(event).finding("exempt")
    assert exempt is not None and "dying (12): killed before" in exempt.sentence


def test_live_points_that_differ_are_said() -> None:
    event = changed(memcg2(), totalpages=12288, chosen_points=9999)
    assert "recomputed 10000, the kernel's 9999" in (pick(event).interpretation or "")


def test_live_totalpages_tell_of_swap() -> None:
    explanation = why.explain(changed(memcg2(), totalpages=12288))
    finding, swap = explanation.finding("totalpages"), explanation.finding("swap")
    assert finding is not None and finding.confidence == CERTAIN
    assert swap is not None and swap.confidence == CERTAIN
    more = why.explain(changed(memcg2(), totalpages=12288 + 65536)).finding("totalpages")
    assert more is not None and "256.0 MiB of swap" in more.sentence


def test_the_machines_totalpages_are_ram_and_swap() -> None:
    event = machine_wide(tail={"total_swap_kb": 400000})
    found = totalpages(event)
    assert found is not None and found.exact == 250000 + 100000


def test_the_order_in_which_bounds_decide() -> None:
    """Points are linear in totalpages: what holds at both ends holds between."""
    a = badness.Weighed(task(1, "a", 1), 1, (10, 10), (500, 500), None)
    b = badness.Weighed(task(2, "b", 1), 1, (5, 10), (400, 400), None)
    assert a.surely_at_least(b) and not a.surely_above(b)
    assert not b.surely_at_least(a)

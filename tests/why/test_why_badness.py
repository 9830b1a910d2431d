"""Why this victim: every kernel's own formula, and what follows where a log leaves something open."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest
from why_events import advice, fact, machine_wide, memcg2, reasons, seed, task

from oomtrace import why
from oomtrace.model import Candidate, Kill, Machine, OomEvent, PageCounter, Sharing, Task, Trigger, Verdict
from oomtrace.why import CERTAIN, LIKELY, UNKNOWN, Process, badness
from oomtrace.why.badness import Exempt
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
    assert str(finding.reason) == "old_table"


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
    assert str(finding.reason) == "disagrees"
    assert finding.value("above") == (Process(11, "hog"),)
    assert (finding.value("place"), finding.value("candidates")) == (2, 2)


def test_totalpages_decide_where_adj_differ() -> None:
    """1000 of adj is all of totalpages: with the limit alone the hog is first, with much swap the other."""
    rows = (task(10, "small", 100, adj=100), task(11, "hog", 3000))
    finding = pick(memcg2(rows))
    assert finding.confidence == LIKELY
    assert str(finding.reason) == "depends_on_totalpages"
    assert pick(memcg2(rows, swap=PageCounter(0, 0, 0))).confidence == CERTAIN  # no swap allowed: totalpages are known
    assert pick(changed(memcg2(rows), totalpages=12288)).confidence == CERTAIN


def test_a_score_that_does_not_follow_is_said() -> None:
    event = seed()
    finding = pick(changed(event, verdict=replace(event.report.verdict or Verdict("", 0, "", 0), score=1010)))
    assert str(finding.reason) == "score_does_not_follow"
    assert (finding.value("score"), finding.value("verdict.score")) == (None, 1010)
    assert "The kernel printed score 1010" in finding.sentence


def test_a_score_tells_of_swap() -> None:
    event = seed()
    event = changed(event, verdict=replace(event.report.verdict or Verdict("", 0, "", 0), score=500))
    explanation = why.explain(event)
    finding = explanation.finding("totalpages")
    assert finding is not None
    assert finding.confidence == LIKELY
    assert str(finding.reason) == "with_swap_fits"
    assert [fact(event, "pick", f"totalpages_{end}") for end in ("low", "high")] == [509256, 510274]


def test_a_coarse_score_tells_nothing_of_swap() -> None:
    rows = tuple(replace(row, uid=5, rss_pages=2000) for row in seed().report.tasks or () if row.pid == 1399)
    event = changed(seed(), tasks=rows, verdict=Verdict("Memory cgroup out of memory", 1399, "python", 9))
    assert why.explain(event).finding("totalpages") is None


def test_ties() -> None:
    rows = (task(10, "first", 500), task(11, "second", 500))
    finding = pick(memcg2(rows))
    assert "tie" in reasons(memcg2(rows), "pick")
    assert finding.value("rival") == Process(10, "first", points=500)
    assert finding.confidence == CERTAIN


def test_exempt_tasks_and_why() -> None:
    rows = (task(11, "hog", 500), task(12, "sshd", 9000, adj=-1000))
    assert fact(memcg2(rows), "exempt", "exempt") == (Process(12, "sshd", 36000, exempt=Exempt.ADJ),)
    assert "exempt: exempt" in advice(memcg2(rows))


def test_without_adj() -> None:
    rows = (task(10, "big", 9000), task(11, "marked", 100, adj=1000))
    assert reasons(memcg2(rows), "adj") == ["other", "decided"]
    assert fact(memcg2(rows), "adj", "then") == Process(10, "big")


def test_without_adj_the_exempt_count_too() -> None:
    rows = (task(10, "protected", 9000, adj=-1000), task(11, "hog", 100))
    assert fact(memcg2(rows), "adj", "then") == Process(10, "protected")


def test_allocating_task() -> None:
    event = machine_wide()
    kill = replace(event.report.kills[0], message="Out of memory (oom_kill_allocating_task)")
    finding = pick(changed(event, kills=(kill,)))
    assert str(finding.reason) == "allocating_task"


def test_a_task_that_asked_to_go_first() -> None:
    finding = pick(changed(memcg2(), chosen_points=2**63 - 1))
    assert str(finding.reason) == "task_origin"


def test_a_child_dies_for_its_parent() -> None:
    event = seed()
    event = changed(event, kills=(Kill(1243, "bash"),))
    assert "child_of_chosen" in reasons(event, "killed")
    assert fact(event, "killed", "chosen") == Process(1399, "python")
    assert [(row.comm, row.chosen, row.killed) for row in why.explain(event).ranking] == [
        ("python", True, False), ("bash", False, True)
    ]


def test_a_chosen_thread_is_no_parent() -> None:
    """Up to 4.8 threads are weighed: pid 1400 has no row, but its score is that of the killed process."""
    event = changed(seed(), verdict=Verdict("Memory cgroup out of memory", 1400, "python", 973))
    assert str(pick(event).reason) == "agrees"
    assert "other_than_chosen" in reasons(event, "killed")


def test_no_table() -> None:
    finding = pick(changed(memcg2(), tasks=None))
    assert finding.confidence == UNKNOWN
    assert str(finding.reason) == "no_table"


def test_no_row_of_the_chosen() -> None:
    finding = pick(changed(memcg2(), tasks=(task(10, "small", 100),)))
    assert str(finding.reason) == "no_row"


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
    assert fact(event, "exempt", "exempt") == (Process(12, "dying", 36000, exempt=Exempt.SKIP),)


def test_live_points_that_differ_are_said() -> None:
    event = changed(memcg2(), totalpages=12288, chosen_points=9999)
    assert str(pick(event).reason) == "points_differ"
    assert fact(event, "pick", "differing") == (Process(11, "hog", points=10000, kernel_points=9999),)


def test_live_totalpages_tell_of_swap() -> None:
    explanation = why.explain(changed(memcg2(), totalpages=12288))
    finding, swap = explanation.finding("totalpages"), explanation.finding("swap")
    assert finding is not None and finding.confidence == CERTAIN
    assert swap is not None and swap.confidence == CERTAIN
    assert fact(changed(memcg2(), totalpages=12288 + 65536), "totalpages", "swap_kb") == 256 << 10


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


def test_adj_is_silent_where_the_pick_is_not_explained() -> None:
    """Neither where the kernel passed over the first by the table, nor where it picked one that is exempt."""
    rows = (task(10, "passed", 5000, adj=500), task(11, "hog", 9000), task(12, "small", 300))
    event = memcg2(rows, victim=12, swap=PageCounter(0, 0, 0))
    assert str(pick(event).reason) == "disagrees"
    assert why.explain(event).finding("adj") is None
    exempt = memcg2((task(10, "other", 500), task(11, "hog", 9000, adj=-1000)))
    assert str(pick(exempt).reason) == "contradicts_table"
    assert why.explain(exempt).finding("adj") is None


def test_adj_decided_likely_where_the_order_hangs_on_totalpages() -> None:
    for adj, sure in ((500, LIKELY), (900, CERTAIN)):  # 900 of 1000 put it first with the limit alone already
        event = memcg2((task(10, "big", 9000), task(11, "marked", 100, adj=adj)))
        found = why.explain(event).finding("adj")
        assert found is not None
        assert (str(found.reason), found.confidence) == ("decided", sure)


def test_a_thread_is_taken_for_its_process_only_by_its_score() -> None:
    """The verdict names a task without a row: a thread of the victim, or its parent, whose row is missing."""
    event = changed(seed(), verdict=Verdict("Memory cgroup out of memory", 1400, "python", 0))
    assert str(pick(event).reason) == "no_row"
    assert not any(row.chosen for row in why.explain(event).ranking)


def test_a_row_of_another_thread_is_marked_as_killed() -> None:
    event = changed(memcg2(), tasks=(task(10, "small", 100), task(77, "hog", 9000, tgid=11)))
    assert [(row.comm, row.killed) for row in why.explain(event).ranking] == [("hog", True), ("small", False)]


def test_sharers_of_the_memory_are_marked_as_killed() -> None:
    event = changed(seed(), sharing=(Sharing(1243, "bash"),))
    assert [(row.comm, row.killed) for row in why.explain(event).ranking] == [("python", True), ("bash", True)]


def test_no_points_of_others_without_the_limit() -> None:
    event = memcg2((task(10, "low", 5000, adj=-500), task(11, "hog", 9000)))
    event = changed(event, memcg=None)
    assert reasons(event, "pick") == ["points", "most_whatever_limit", "agrees"]
    assert fact(event, "pick", "points") == 9000
    assert fact(event, "pick", "rival") is None


def test_the_kill_line_tells_that_there_is_no_bonus() -> None:
    """5.0 and later, whose oom-kill line was cut: root's processes have none."""
    rows = (task(10, "small", 9900, uid=0), task(11, "hog", 10000, uid=0))
    event = released(changed(memcg2(rows), summary=None), None)
    assert badness.formula(event) == badness.Formula()
    assert pick(event).confidence == CERTAIN
    bare = tuple(replace(kill, message=None, uid=None) for kill in event.report.kills)
    assert str(pick(changed(event, kills=bare)).reason) == "depends_on_capability"


def test_three_per_cent_that_cannot_matter_are_no_doubt() -> None:
    rows = (task(10, "small", 9000, uid=0), task(11, "hog", 10000, uid=0))
    event = released(changed(memcg2(rows), summary=None), None)
    bare = tuple(replace(kill, message=None, uid=None) for kill in event.report.kills)
    assert (str(pick(changed(event, kills=bare)).reason), pick(event).confidence) == ("agrees", CERTAIN)


def test_a_bare_kill_line_of_a_memcg_is_no_pick() -> None:
    event = changed(memcg2(), tasks=None, summary=None, memcg=None, stack=None, trigger=Trigger())
    assert reasons(event, "pick") == ["perhaps_of_group"]


def test_a_group_kill_without_its_announcement() -> None:
    """It prints the first victim twice."""
    first = memcg2().report.kills[0]
    event = changed(memcg2(), kills=(first, replace(first, pid=10, comm="small"), first))
    assert "group_inferred" in reasons(event, "killed")
    assert fact(event, "killed", "processes") == 2
    assert "group_inferred" not in reasons(changed(event, kills=event.report.kills[:2]), "killed")


def test_nobody_killable_but_listed_and_a_panic() -> None:
    event = changed(machine_wide(), kills=(), summary=None, no_killable=True, panic="System is deadlocked on memory")
    assert reasons(event, "killed") == ["nobody_panic", "passed_over"]
    assert "killed: nobody" not in advice(event)
    protected = tuple(replace(row, oom_score_adj=-1000) for row in event.report.tasks or ())
    assert reasons(changed(event, tasks=protected, panic=None), "killed") == ["nobody_killable"]
    assert "killed: nobody" in advice(changed(event, tasks=protected, panic=None))


def test_columns_narrow_the_version_down() -> None:
    """nr_pmds is of 4.1 and later: 3 % at most, and no 30 off adj, which is much where totalpages are not known."""
    rows = tuple(replace(row, nr_pmds=5) for row in seed().report.tasks or ())
    event = released(changed(seed(), tasks=rows, verdict=None), None)
    assert badness.formula(event) == badness.Formula(("3 %", "none"), 1)
    assert (str(pick(event).reason), pick(event).confidence) == ("agrees", CERTAIN)


def test_a_score_of_0_tells_nothing_of_swap() -> None:
    event = changed(seed(), verdict=Verdict("Memory cgroup out of memory", 1400, "python", 0))
    assert why.explain(event).finding("totalpages") is None

"""The seed's explanation leads through the five steps that an engineer took."""

from __future__ import annotations

from typing import Any

from why_events import seed

from oomtrace import why
from oomtrace.why import CERTAIN, LIKELY, UNKNOWN, Finding, Kind, Process


def found(explanation: why.Explanation, id: str) -> Finding:
    finding = explanation.finding(id)
    assert finding is not None, id
    return finding


def values(finding: Finding) -> dict[str, Any]:
    return {fact.name: fact.value for fact in finding.facts}


def test_a_manager_understands_the_headline() -> None:
    assert why.explain(seed()).headline == (
        "/foo reached its memory limit of 1.0 GiB, almost all of it allocated by processes (anonymous memory); "
        "the kernel killed python (1399), which held 1.0 GiB."
    )


def test_the_steps_are_in_the_order_of_the_seed() -> None:
    steps = [finding.step for finding in why.explain(seed()).findings]
    assert steps == sorted(steps)
    assert set(steps) >= {1, 2, 3, 4, 5}


def test_1_which_memcg_was_full() -> None:
    finding = found(why.explain(seed()), "full")
    assert finding.sentence == (
        "/foo was at its memory limit of 1.0 GiB (1048576 kB). Requests had met this limit 677 times (failcnt)."
    )
    assert values(finding)["memory.usage_kb"] == values(finding)["memory.limit_kb"] == 1048576
    assert values(finding)["memsw.limit_kb"] == "max"


def test_1_who_asked() -> None:
    finding = found(why.explain(seed()), "charging")
    assert finding.sentence.startswith("python (1399) asked for 4 kB for a page fault.")
    # 3.10 kills at the end of the fault: its call trace no longer tells what kind of memory was charged.
    assert finding.confidence == UNKNOWN


def test_2_whose_task_was_killed() -> None:
    finding = found(why.explain(seed()), "killed")
    assert {"in_full_memcg", "trigger_in_same"} <= {str(reason) for reason in finding.reasons}


def test_3_the_file_cache_is_gone_and_all_is_anonymous() -> None:
    explanation = why.explain(seed())
    assert [(amount.name, amount.kb) for amount in explanation.amounts] == [
        ("anonymous", 1048520), ("file cache and tmpfs", 56)
    ]
    assert str(found(explanation, "reclaim").reason) == "no_file_cache"
    assert found(explanation, "filled").value("filler") is Kind.ANON


def test_3_there_was_no_swap() -> None:
    finding = found(why.explain(seed()), "swap")
    assert str(finding.reason) == "not_counted"
    assert finding.confidence == LIKELY


def test_4_the_task_table() -> None:
    finding = found(why.explain(seed()), "tasks")
    assert (finding.value("tasks"), finding.value("rss_kb"), finding.value("rss_percent")) == (2, 1053400, 100.5)
    assert finding.value("largest") == (Process(1399, "python", 1050000, 100.1), Process(1243, "bash", 3400, 0.3))


def test_5_the_score_comes_out_as_the_kernel_printed_it() -> None:
    finding = found(why.explain(seed()), "pick")
    assert values(finding)["points"] == 255137  # 263027 less 3 % for root
    assert values(finding)["totalpages"] == 262144
    assert values(finding)["score"] == values(finding)["verdict.score"] == 973
    assert finding.confidence == CERTAIN
    assert str(finding.reason) == "agrees"


def test_5_totalpages_are_the_limit_alone() -> None:
    finding = found(why.explain(seed()), "totalpages")
    assert values(finding)["memory.limit_pages"] == values(finding)["totalpages_low"] == 262144
    assert values(finding)["totalpages_high"] == 262216  # 72 pages of swap would give the same score
    assert str(finding.reason) == "no_swap"


def test_the_ranking() -> None:
    first, second = why.explain(seed()).ranking
    assert (first.comm, first.points, first.score_permille, first.chosen) == ("python", 255137, 973, True)
    assert (second.comm, second.points, second.score_permille, second.chosen) == ("bash", 838, 3, False)


def test_what_the_kill_achieved_is_unknown() -> None:
    assert found(why.explain(seed()), "achieved").confidence == UNKNOWN


def test_suggestions_follow_from_findings() -> None:
    explanation = why.explain(seed())
    ids = {finding.id for finding in explanation.findings}
    assert 1 <= len(explanation.suggestions) <= 3
    assert all(suggestion.finding in ids for suggestion in explanation.suggestions)

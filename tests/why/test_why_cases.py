"""Logs that were once explained wrongly, each the first of its kind: what is stated of them now, and what is not.

A row: the log, which of its OOMs (from the end), what is stated, facts, and what must not be stated. Statements are
"finding.reason"; "advice.reason" and "headline.reason" stand for those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from oomtrace import text, why
from oomtrace.model import OomEvent
from oomtrace.output.base import with_names
from oomtrace.text.source import opened
from oomtrace.why import Kind, Process

CASES = Path(__file__).parent / "cases"


class Case(NamedTuple):
    name: str
    stated: Sequence[str] = ()
    facts: Mapping[str, Any] = {}
    never: Sequence[str] = ()
    at: int = -1


ROWS = (
    Case("adj-blamed-for-passed-over", ["pick.disagrees"], {}, ["adj.*", "advice.adj"]),
    Case("advice-while-free", ["earlier.victim_reaped", "earlier.memory_had_come_back", "advice.killed_while_free"],
         {"earlier.reaped": Process(3359, "a.out")}, ["swap.*", "advice.none"]),
    Case("anon-fault-do-pte-missing", [], {"charging.site": "anon_fault"}, ["charging.fault_of_unknown_kind"]),
    Case("bpf-declared-no-limit", ["full.declared_by_bpf", "headline.bpf", "advice.bpf_policy"], {},
         ["full.no_limit", "full.freed_since", "headline.memcg", "advice.not_allowed", "advice.raise_for_one"]),
    Case("cap-sys-admin-doubt", ["pick.agrees"], {"pick.points": 46303}, ["pick.depends_on_capability"]),
    Case("charge-contiguous-pages", ["reclaim.charged_at_once", "reclaim.dirty", "advice.dirty_memcg"],
         {"reclaim.asked_kb": 32, "reclaim.room_kb": 28}, ["reclaim.contiguous", "reclaim.fragmented"]),
    Case("child-row-marked", ["full.at_limit", "killed.child_of_chosen"],
         {"full.counter": "memsw", "full.failcnt": 38, "full.limit_kb": 524288}),
    Case("gfp0-contradiction", ["full.context_lost_while_free", "headline.context_lost"], {},
         ["full.machine", "headline.machine", "swap.*"]),
    Case("group-without-marker", ["killed.group_inferred"], {"killed.processes": 2, "achieved.killed": 2},
         ["pick.perhaps_of_group", "killed.several"]),
    Case("initramfs-unevictable", ["filled.by", "advice.ramfs"], {"filled.filler": Kind.RAMFS}, ["advice.unevictable"]),
    Case("meminfo-first-line-only", ["missing.from_log", "filled.counters_missing"], {},
         ["filled.not_counted", "headline.not_accounted", "headline.filled_by"]),
    Case("memsw-nearly-full", ["full.other_limit_too", "filled.by", "missing.from_log"],
         {"filled.filler": Kind.ANON, "full.memsw.usage_kb": 16316, "full.memsw.failcnt": 15},
         ["filled.no_statistics"]),
    Case("no-killable-but-listed", ["killed.nobody_killable", "killed.passed_over"], {"killed.tasks_passed_over": 2},
         ["advice.nobody"]),
    Case("page-64k", [], {"tasks.rss_kb": 519680}, ["tasks.in_no_task"]),
    Case("pages-ram-against-zones", ["full.contradictory", "zones.all_zones_low", "filled.by"],
         {"filled.filler": Kind.ANON, "full.zones_kb": 2030464}, ["filled.not_counted"]),
    Case("pagetables-before-counter", ["filled.by"], {"filled.pagetables.kb": 584, "filled.swapcache.kb": 124},
         ["filled.kernel_not_counted", "charging.other_holds_most"]),
    Case("points-without-limit", ["pick.limit_unknown", "pick.most_from"],
         {"pick.first_from_pages": 51000, "pick.tasks_rss_pages": 111419}, ["pick.points", "pick.not_most_points"]),
    Case("ratelimit-kill-only", ["earlier.rate_limited", "earlier.same_size_as_before"], {}, ["missing.*"]),
    Case("shared-buffers-freed", ["frees.less_what_is_shared", "advice.shared_buffers"],
         {"frees.frees_kb": 854636, "frees.shared_kb": 3445804}, ["advice.tmpfs"]),
    Case("slab-two-halves", ["filled.by", "headline.filled_by", "advice.slab_debug"], {"filled.filler": Kind.SLAB},
         ["filled.no_half"]),
    Case("swap-advice-no-anon", ["filled.by"], {"filled.filler": Kind.KERNEL}, ["swap.*", "advice.not_allowed"]),
    Case("swap-cache-not-accounted", ["filled.by"], {"filled.filler": Kind.ANON, "filled.swapcache.kb": 5036},
         ["filled.no_half"]),
    Case("table-filtered", ["tasks.not_shown", "missing.from_log"], {}, ["tasks.empty"]),
    Case("tasks-hold-little", ["tasks.in_no_task"], {"tasks.rss_percent": 0.2}, ["tasks.anon_more_than_all"]),
    Case("tmpfs-with-unevictable", ["filled.by"], {"filled.filler": Kind.SHMEM}),
    Case("victim-asks-again", ["earlier.asker_was_killed", "advice.needless_kill"], {},
         ["advice.full_memcg_elsewhere", "full.machine"]),
    Case("without-adj-unknown", ["pick.no_row"], {}, ["adj.*"]),
    Case("zones-without-pages-ram", ["zones.all_zones_low", "filled.by"],
         {"filled.total_kb": 12232, "zones.free_kb": 828, "zones.min_kb": 1464}, ["filled.share_unknown"]),
)


def read(name: str) -> list[OomEvent]:
    with opened(str(CASES / f"{name}.txt")) as stream:
        return [with_names(event) for event in text.read(stream)]


def explained(name: str, at: int) -> why.Explanation:
    events = read(name)
    here = len(events) + at
    return why.explain(events[here], tuple(why.outline(event) for event in events[:here]))


def stated(explanation: why.Explanation) -> set[str]:
    found = {f"{finding.id}.{reason}" for finding in explanation.findings for reason in finding.reasons}
    found |= {f"advice.{advice.reason}" for advice in explanation.suggestions}
    found |= {f"{finding.id}.*" for finding in explanation.findings}
    return found | {f"headline.{reason}" for reason in explanation.headline_reasons}


def facts(explanation: why.Explanation) -> dict[str, Any]:
    return {f"{finding.id}.{fact.name}": fact.value for finding in explanation.findings for fact in finding.facts}


@pytest.mark.parametrize("case", ROWS, ids=lambda case: str(case.name))
def test_case(case: Case) -> None:
    explanation = explained(case.name, case.at)
    found, values = stated(explanation), facts(explanation)
    assert set(case.stated) <= found
    assert found.isdisjoint(case.never)
    assert {name: _plain(values.get(name), wanted) for name, wanted in case.facts.items()} == case.facts


def _plain(value: Any, wanted: Any) -> Any:
    """Kinds of site by their text."""
    return str(value) if isinstance(wanted, str) and value is not None else value


def test_each_row_has_its_log() -> None:
    named = {case.name for case in ROWS} | {"victim-each-time"}
    assert named <= {path.stem for path in CASES.glob("*.txt")}


def test_missing_parts_are_named() -> None:
    parts: tuple[tuple[str, str], ...] = (
        ("meminfo-first-line-only", "part of Mem-Info"), ("memsw-nearly-full", "part of the memory cgroup statistics"),
        ("table-filtered", "task table"),
    )
    for name, part in parts:
        assert part in facts(explained(name, -1))["missing.missing"]


def test_who_was_killed_and_who_was_chosen() -> None:
    rows = explained("child-row-marked", -1).ranking
    assert [(row.comm, row.chosen, row.killed) for row in rows] == [("bash", True, False), ("cp", False, True)]


def test_the_advice_counts_the_swap_cache_once() -> None:
    (advice,) = explained("swap-cache-not-accounted", -1).suggestions
    assert (str(advice.reason), dict((fact.name, fact.value) for fact in advice.facts)["need_kb"]) == (
        "raise_for_one", 10240 + 6140 - 5036
    )


def test_slab_of_a_debug_facility_is_not_the_culprit() -> None:
    advice = explained("slab-two-halves", -1).suggestions[0]
    assert dict((fact.name, fact.value) for fact in advice.facts)["next_cache"] == "filp"


def test_kill_lines_of_the_rate_limit_are_of_the_same_place() -> None:
    pattern = why.pattern(read("ratelimit-kill-only"))
    assert [(group.place, group.events, group.probable) for group in pattern.groups] == [("/a", 12, 2)]
    assert pattern.sentences[1].startswith("/a: 12 OOMs (2 of them probably) within 1.650 s")


def test_a_page_fault_that_failed_tells_no_place() -> None:
    pattern = why.pattern(read("victim-asks-again"))
    assert pattern.sentences == ("2 OOMs: 1 in 1 place, 1 where the source does not tell; 2 processes killed.",)


def test_the_victim_each_time_only_if_known_each_time() -> None:
    pattern = why.pattern(read("victim-each-time"))
    assert "the victim was broker once; in 1 the kernel panicked." in pattern.sentences[1]
    assert pattern.groups[0].without_victim == 1

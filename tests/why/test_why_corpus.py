"""Real reports: each is explained, and the recomputed ranking agrees with the kernel's choice."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Optional

import pytest

from oomtrace import text, why
from oomtrace.model import OomEvent
from oomtrace.output.base import with_names
from oomtrace.text.source import opened
from oomtrace.why import CERTAIN, UNKNOWN, Kind
from oomtrace.why.callsite import Site
from oomtrace.why.causes.pick import Pick
from tests.corpus import files, logs, needs_corpus

FILES = files("real", "vm")

# Reports whose table does not decide, and why. None contradicts the kernel.
OPEN = {
    "fragment-4.5.0-rc2-next-reaper-typo.txt": "adj is 1000 and Mem-Info, from which totalpages would follow, is cut",
    "global-coreos-4.9.24-k8s-prometheus-grepped.txt": "of the table one row is left",
    "fragment-memcg-v1-docker-noprefix-3.x.txt": "without the release, root's bonus may or may not apply",
}


@cache
def explained(path: Path) -> list[tuple[OomEvent, why.Explanation]]:
    """A log's OOMs with what is said of each; every test asks for them."""
    with opened(str(path)) as stream:
        found = [with_names(event) for event in text.read(stream)]
    return [(event, why.explain(event)) for event in found]


def ids(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", logs(), ids=ids)
def test_every_report_is_explained(path: Path) -> None:
    for _, explanation in explained(path):
        assert explanation.headline.endswith(".")
        steps = [finding.step for finding in explanation.findings]
        assert steps == sorted(steps)
        known = {finding.id for finding in explanation.findings}
        assert len(known) == len(explanation.findings)
        assert all(suggestion.finding in known for suggestion in explanation.suggestions)
        assert all(finding.sentence.endswith(".") or "panicked" in finding.sentence for finding in explanation.findings)


@needs_corpus
@pytest.mark.parametrize("path", FILES, ids=ids)
def test_the_ranking_agrees(path: Path) -> None:
    for event, explanation in explained(path):
        pick = explanation.finding("pick")
        table = event.report.tasks and not any("task table" in part for part in event.origin.missing)
        if pick is None or not table:
            continue
        assert not pick.has(Pick.DISAGREES, Pick.SCORE_DOES_NOT_FOLLOW)
        if path.name in OPEN or pick.has(Pick.OLD_TABLE, Pick.ALLOCATING_TASK, Pick.TASK_ORIGIN):
            continue
        assert pick.confidence == CERTAIN, pick


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_shares_are_no_more_than_all(path: Path) -> None:
    for _, explanation in explained(path):
        for amount in explanation.amounts:
            assert amount.kb >= 0
            assert amount.percent is None or amount.percent <= 105  # statistics lag


_FAULT = (Site.ANON_FAULT, Site.ANON_FAULT_OF_SOME_KIND)
# Scenarios run in VMs: what was full (a path, or the reason), the filler, who asked, and the first victim.
VERDICTS: dict[str, tuple[str, Optional[Kind], tuple[Site, ...], str]] = {
    "memcg2-fault": ("/foo", Kind.ANON, _FAULT, ""),
    "memcg2-tmpfs": ("/foo", Kind.SHMEM, (Site.SHMEM_WRITE,), ""),
    "memcg2-pipe": ("/foo", None, (Site.PIPE,), ""),
    "memcg2-group": ("/foo", Kind.ANON, _FAULT, "grouphog"),
    "v1-memcg1-fault": ("/foo", Kind.ANON, _FAULT, ""),
    "numa-max-write": ("/big", Kind.ANON, (), "bigproc"),
    "numa-mempolicy": ("mempolicy", Kind.ANON, _FAULT, "mpolhog"),
    "numa-cpuset": ("cpuset", Kind.ANON, _FAULT, "cpusethog"),
    "numa-threads": ("/a", Kind.ANON, _FAULT, "threaded-main"),
    "global": ("machine", Kind.ANON, _FAULT, "globalhog"),
    "v1-global": ("machine", Kind.ANON, _FAULT, "globalhog"),
    "sysrq-f": ("sysrq", None, (Site.SYSRQ,), ""),
}
SCENARIOS = [path for path in FILES if path.suffix == ".kmsg" and path.stem.split("-", 1)[1] in VERDICTS]


@pytest.mark.parametrize("path", SCENARIOS, ids=ids)
def test_a_scenario_has_its_verdicts(path: Path) -> None:
    full, filler, sites, victim = VERDICTS[path.stem.split("-", 1)[1]]
    pairs = [(event, {finding.id: finding for finding in each.findings}) for event, each in explained(path)]
    event, found = next(pair for pair in pairs if not sites or pair[1]["charging"].value("site") in sites)
    assert full in (found["full"].value("memcg.path"), found["full"].reason.value)
    assert filler is None or found["filled"].value("filler") is filler
    assert event.report.victim is not None
    assert victim in event.report.victim.comm
    assert found["pick"].reason is Pick.AGREES
    # No report of a memcg tells whether there is swap.
    if event.kind == "memcg" and event.report.memcg and event.report.memcg.swap and "swap" in found:
        assert found["swap"].confidence == UNKNOWN

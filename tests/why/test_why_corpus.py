"""Real reports: each is explained, and the recomputed ranking agrees with the kernel's choice."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from oomtrace import text, why
from oomtrace.model import OomEvent
from oomtrace.output.base import with_names
from oomtrace.why import CERTAIN, UNKNOWN

_BESIDE = Path(__file__).parents[3] / "shared" / "corpus"
CORPUS = Path(os.environ.get("OOMTRACE_CORPUS", _BESIDE))
FILES = sorted([*CORPUS.glob("real/*"), *CORPUS.glob("vm/*")])

pytestmark = pytest.mark.skipif(not FILES, reason="no corpus of reports here")

# Reports whose table does not decide, and why. None contradicts the kernel.
OPEN = {
    "fragment-4.5.0-rc2-next-reaper-typo.txt": "adj is 1000 and Mem-Info, from which totalpages would follow, is cut",
    "global-coreos-4.9.24-k8s-prometheus-grepped.txt": "of the table one row is left",
    "fragment-memcg-v1-docker-noprefix-3.x.txt": "without the release, root's bonus may or may not apply",
}


def events(path: Path) -> List[OomEvent]:
    with text.opened(str(path)) as stream:
        return [with_names(event) for event in text.read(stream)]


def sentence(explanation: why.Explanation, id: str) -> str:
    finding = explanation.finding(id)
    return finding.sentence if finding is not None else ""


def ids(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_every_report_is_explained(path: Path) -> None:
    for event in events(path):
        explanation = why.explain(event)
        assert explanation.headline.endswith(".")
        steps = [finding.step for finding in explanation.findings]
        assert steps == sorted(steps)
        known = {finding.id for finding in explanation.findings}
        assert len(known) == len(explanation.findings)
        assert all(suggestion.finding in known for suggestion in explanation.suggestions)
        assert all(finding.sentence.endswith(".") or "panicked" in finding.sentence for finding in explanation.findings)


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_the_ranking_agrees(path: Path) -> None:
    for event in events(path):
        pick = why.explain(event).finding("pick")
        table = event.report.tasks and not any("task table" in part for part in event.origin.missing)
        if pick is None or not table:
            continue
        said = pick.interpretation or ""
        assert "DISAGREEMENT" not in said
        assert "does not follow" not in said
        if path.name in OPEN or "neither swap nor page tables" in said or "No badness" in said:
            continue
        assert pick.confidence == CERTAIN, said


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_shares_are_no_more_than_all(path: Path) -> None:
    for event in events(path):
        explanation = why.explain(event)
        for amount in explanation.amounts:
            assert amount.kb >= 0
            assert amount.percent is None or amount.percent <= 105  # statistics lag


_ANON = "anonymous memory"
# Scenarios run in VMs: what was full, the filler, who asked, and the first victim.
VERDICTS: Dict[str, Tuple[str, str, str, str]] = {
    "memcg2-fault": ("/foo ", _ANON, "a page fault on anonymous memory", ""),
    "memcg2-tmpfs": ("/foo ", "tmpfs and shared memory", "a write to tmpfs", ""),
    "memcg2-pipe": ("/foo ", "", "a pipe", ""),
    "memcg2-group": ("/foo ", _ANON, "a page fault on anonymous memory", "grouphog"),
    "v1-memcg1-fault": ("/foo ", _ANON, "a page fault on anonymous memory", ""),
    "numa-max-write": ("/big ", _ANON, "", "bigproc"),
    "numa-mempolicy": ("NUMA node 1, all that the task's memory policy allows", _ANON,
                       "a page fault on anonymous memory", "mpolhog"),
    "numa-cpuset": ("NUMA node 1, all that the task's cpuset allows", _ANON, "a page fault on anonymous memory",
                    "cpusethog"),
    "numa-threads": ("/a ", _ANON, "a page fault on anonymous memory", "threaded-main"),
    "global": ("The machine as a whole", _ANON, "a page fault on anonymous memory", "globalhog"),
    "v1-global": ("The machine as a whole", _ANON, "a page fault on anonymous memory", "globalhog"),
    "sysrq-f": ("Someone asked for a kill", "", "SysRq-f", ""),
}
SCENARIOS = [path for path in FILES if path.suffix == ".kmsg" and path.stem.split("-", 1)[1] in VERDICTS]


@pytest.mark.parametrize("path", SCENARIOS, ids=ids)
def test_a_scenario_has_its_verdicts(path: Path) -> None:
    full, filler, site, victim = VERDICTS[path.stem.split("-", 1)[1]]
    explained = [(event, why.explain(event)) for event in events(path)]
    event, explanation = next(pair for pair in explained if site in sentence(pair[1], "charging"))
    sentences = {finding.id: finding for finding in explanation.findings}
    assert sentences["full"].sentence.startswith(full)
    assert filler in (sentences["filled"].interpretation or "")
    assert event.report.victim is not None
    assert victim in event.report.victim.comm
    assert "agrees" in (sentences["pick"].interpretation or "")
    # No report of a memcg tells whether there is swap.
    if event.kind == "memcg" and event.report.memcg and event.report.memcg.swap and "swap" in sentences:
        assert sentences["swap"].confidence == UNKNOWN

"""The five steps of an explanation, each fact of their evidence with a link to where it can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from oomtrace.why import CERTAIN, Fact, Process, look

from . import evidence
from .case import PageCase


@dataclass(frozen=True)
class Evidence:
    """A fact. ``link`` None: the page has no place for it."""

    name: str
    value: str
    link: Optional[str]


@dataclass(frozen=True)
class PageStep:
    """A finding. ``number`` is "" where it belongs to the step before."""

    number: str
    title: str
    sentence: str
    interpretation: Optional[str]
    confidence: Optional[str]
    evidence: tuple[Evidence, ...]


def steps(case: PageCase) -> tuple[PageStep, ...]:
    """All findings in the order of reading."""
    chosen = look.chosen(case.event)
    pid = chosen.pid if chosen is not None else None
    before = 0
    found = []
    for finding in case.found.findings:
        number = str(finding.step) if finding.step != before and finding.step in range(1, 6) else ""
        before = finding.step
        facts = tuple(
            Evidence(fact.name, "–" if fact.value is None else str(fact.value),
                     evidence.link(case.lines, finding, fact, pid))
            for fact in finding.facts if not _shown_elsewhere(fact)
        )
        sure = None if finding.confidence == CERTAIN else finding.confidence
        found.append(PageStep(number, finding.title, finding.sentence, finding.interpretation, sure, facts))
    return tuple(found)


def _shown_elsewhere(fact: Fact) -> bool:
    """Processes and lists are in the sentence, shares in the picture of what filled it."""
    return isinstance(fact.value, (Process, tuple)) or fact.name.endswith(".percent")

"""The registry of causes and the phrasebook: what one states the other can say."""

from __future__ import annotations

import pkgutil
import re
from enum import Enum

import pytest

from oomtrace import why
from oomtrace.why import account, callsite, causes, headline, phrasebook, registry
from oomtrace.why.badness import Exempt
from oomtrace.why.case import Case
from oomtrace.why.causes.filled import KernelPart
from oomtrace.why.causes.killed import AskedBy
from oomtrace.why.causes.totalpages import SwapLimit
from oomtrace.why.finding import Fact, Reason, Statement
from oomtrace.why.pattern import Victims

# What stands within sentences, has a word; Victims are words of one phrase.
WORDS = (account.Kind, callsite.Site, AskedBy, KernelPart, Exempt, SwapLimit)


def kinds(base: type[Reason] = Reason) -> list[type[Reason]]:
    """Every enum of reasons that there is."""
    return [kind for kind in base.__subclasses__() if kind.__module__.startswith("oomtrace.")]


def test_each_file_of_causes_registers() -> None:
    modules = {f"{causes.__name__}.{module.name}" for module in pkgutil.iter_modules(causes.__path__)}
    assert {cause.judge.__module__ for cause in registry.causes()} == modules


def test_findings_have_a_place_of_their_own_and_a_title() -> None:
    found = registry.causes()
    assert len({(cause.step, cause.place) for cause in found}) == len({cause.id for cause in found}) == len(found)
    assert {cause.id for cause in found} == set(phrasebook.TITLES) == set(why.IDS)
    titles = (*phrasebook.TITLES.values(), *phrasebook.TITLES_BY_REASON.values())
    assert all(len(title) <= 12 for title in titles)


def test_advice_follows_from_a_finding() -> None:
    assert {advice.finding for advice in registry.rules()} <= set(why.IDS)
    ranks = [advice.rank for advice in registry.rules()]
    assert len(set(ranks)) == len(ranks)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: str(kind.__name__))
def test_each_reason_can_be_said(kind: type[Reason]) -> None:
    if kind is Victims:
        return
    said = phrasebook.WORDS if kind in WORDS else phrasebook.PHRASES
    assert [reason for reason in kind if reason not in said] == []


def test_nothing_else_is_in_the_phrasebook() -> None:
    known = {reason for kind in kinds() for reason in kind}
    assert set(phrasebook.PHRASES) | set(phrasebook.WORDS) <= known


def test_reasons_are_names_for_programs() -> None:
    for kind in kinds():
        assert issubclass(kind, Enum)
        if kind is not Exempt:  # has the kernel's terms
            assert all(re.fullmatch("[a-z][a-z0-9_]*", reason.value) for reason in kind)


def test_there_is_one_finding_of_an_id() -> None:
    with pytest.raises(ValueError, match="two findings full"):
        registry.cause("full", 1, 9, headline.Headline)(lambda event, case: None)


def test_phrases() -> None:
    """Forms, words for what is not known, and what is left out without its fact."""
    from oomtrace.why.phrasebook.template import fill, holes

    phrase = "{path|Somewhere}: {kb:size}[, {n:plural task}][ and {who}]."
    assert fill(phrase, {"kb": 2048, "n": 2}) == "Somewhere: 2.0 MiB, 2 tasks."
    assert fill(phrase, {"path": "{/a}[b]", "kb": 1, "who": why.Process(1, "init")}) == "{/a}[b]: 1 kB and init (1)."
    assert holes(phrase) == ("kb",)


def test_a_case_is_as_sure_as_its_least_sure_conclusion() -> None:
    case = Case()
    case.says(headline.Headline.PANIC, a=1, b=None)
    case.remarks(headline.Headline.NOBODY, why.LIKELY, a=2)
    assert (case.confidence, case.reason) == (why.LIKELY, headline.Headline.PANIC)
    case.means(headline.Headline.KILLED, why.UNKNOWN, c__d=3)
    assert (case.confidence, case.reason) == (why.UNKNOWN, headline.Headline.KILLED)
    assert case.facts == (Fact("a", 1), Fact("c.d", 3))
    assert case.said == [Statement(headline.Headline.PANIC, (Fact("a", 1),))]

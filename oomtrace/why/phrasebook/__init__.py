"""The phrasebook: all that is said in words, made from reasons and facts when everything is decided.

A file a step of the reading, each with ``PHRASES`` (a reason's sentence), ``TITLES`` (of the findings, by id),
``TITLES_BY_REASON`` (of a finding that comes to that) or ``WORDS`` (for reasons that stand within a sentence, such as
kinds of memory). They are found by themselves.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from ..case import Case
from ..finding import Amount, Finding, Reason, Size, Statement, Suggestion
from .template import Phrase, fill

PHRASES: dict[Reason, Phrase] = {}
WORDS: dict[Reason, str] = {}
TITLES: dict[str, str] = {}
TITLES_BY_REASON: dict[Reason, str] = {}


def sentence(statement: Statement) -> str:
    """A statement in words."""
    return fill(PHRASES[statement.reason], {fact.name: fact.value for fact in statement.facts})


def sentences(statements: Iterable[Statement]) -> str:
    """Several, one after the other."""
    return " ".join(sentence(statement) for statement in statements)


def finding(id: str, step: int, case: Case) -> Finding:
    """What a cause found, in words."""
    title = TITLES_BY_REASON.get(case.reason, TITLES[id])
    return Finding(id, step, title, case.reason, case.reasons, case.facts, sentences(case.said),
                   sentences(case.concluded) or None, case.confidence)


def amount(size: Size) -> Amount:
    """A kind of memory by its name."""
    return Amount(size.kind, WORDS[size.kind], size.kb, size.percent)


def suggestion(finding: str, statement: Statement) -> Suggestion:
    """An advice in words."""
    return Suggestion(finding, statement.reason, statement.facts, sentence(statement))


def headline(statements: Iterable[Statement]) -> str:
    """The statements of a headline as one sentence."""
    said = "".join(map(sentence, statements))
    return said if said.endswith(".") else said + "."


def _pages() -> list[Any]:
    modules = pkgutil.iter_modules(__path__)
    return [import_module(f"{__name__}.{module.name}") for module in modules if module.name != "template"]


for _page in _pages():
    PHRASES.update(getattr(_page, "PHRASES", {}))
    WORDS.update(getattr(_page, "WORDS", {}))
    TITLES.update(getattr(_page, "TITLES", {}))
    TITLES_BY_REASON.update(getattr(_page, "TITLES_BY_REASON", {}))

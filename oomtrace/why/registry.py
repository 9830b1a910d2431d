"""All causes and all rules of advice. Each is a file of its own in ``causes`` or ``advice``, which registers itself:
who adds one touches no list."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Callable, Optional

from oomtrace.model import OomEvent

from .case import Case
from .finding import Reason, Statement

Judge = Callable[[OomEvent, Case], None]
Cases = Mapping[str, Case]  # the findings in the making, by id
Rule = Callable[[OomEvent, Cases], Optional[Statement]]


@dataclass(frozen=True)
class Cause:
    """A cause: what it states (``reasons``), where it stands (by step, then by place), and who judges it.

    ``always``: it has something to say where nobody is killed as well: a wait, a charge that fails.
    """

    id: str
    step: int
    place: int
    reasons: type[Reason]
    judge: Judge
    always: bool = False
    killed: bool = False  # of a kill by somebody else than the OOM killer, and of nothing else


@dataclass(frozen=True)
class Advice:
    """A rule of advice, the finding that it follows from, and its rank among the others: the least comes first."""

    finding: str
    rank: int
    rule: Rule


_causes: dict[str, Cause] = {}
_advice: list[Advice] = []


def cause(
    id: str, step: int, place: int, reasons: type[Reason], always: bool = False, killed: bool = False
) -> Callable[[Judge], Judge]:
    """Registers the function that judges a cause."""

    def register(judge: Judge) -> Judge:
        if id in _causes:
            raise ValueError(f"there are two findings {id}")
        _causes[id] = Cause(id, step, place, reasons, judge, always, killed)
        return judge

    return register


def advice(finding: str, rank: int) -> Callable[[Rule], Rule]:
    """Registers a rule of advice."""

    def register(rule: Rule) -> Rule:
        _advice.append(Advice(finding, rank, rule))
        return rule

    return register


@cache
def causes() -> tuple[Cause, ...]:
    """All causes in the order in which an engineer reads a report."""
    _load("causes")
    return tuple(sorted(_causes.values(), key=lambda one: (one.step, one.place)))


@cache
def rules() -> tuple[Advice, ...]:
    """All rules of advice, by rank."""
    _load("advice")
    return tuple(sorted(_advice, key=lambda one: one.rank))


def _load(package: str) -> None:
    found = import_module(f"{__package__}.{package}")
    for module in pkgutil.iter_modules(found.__path__):
        import_module(f"{found.__name__}.{module.name}")

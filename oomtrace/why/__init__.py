"""Why it happened: each cause a function of an OomEvent, which states reasons with their facts, or nothing where it
does not apply. The phrasebook says them in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from oomtrace.model import OomEvent

from . import phrasebook
from .account import Kind, amounts
from .case import Case
from .causes.achieved import Achieved
from .causes.charging import Charging
from .causes.filled import Filled
from .causes.pick import Pick
from .causes.reclaim import Reclaim
from .causes.tasks import Tasks
from .finding import (
    CERTAIN,
    LIKELY,
    UNKNOWN,
    Amount,
    Explanation,
    Fact,
    Finding,
    Process,
    Ranked,
    Reason,
    Size,
    Statement,
    Suggestion,
    Thing,
    Value,
)
from .headline import headline as first
from .pattern import Group, Pattern, outline, summary
from .ranking import ranked
from .registry import Cause, rules
from .registry import causes as all_causes
from .usage import curve

__all__ = [
    "ALARMS", "CERTAIN", "IDS", "LIKELY", "REASONS", "SILENT", "UNKNOWN", "Amount", "Explanation", "Fact", "Finding",
    "Group", "Kind", "Pattern", "Process", "Ranked", "Reason", "Size", "Statement", "Suggestion", "Thing", "Value",
    "explain", "outline", "pattern",
]

# The ids of all findings, in the order in which an engineer reads a report; and what each can state.
IDS: tuple[str, ...] = tuple(cause.id for cause in all_causes())
REASONS: Mapping[str, type[Reason]] = {cause.id: cause.reasons for cause in all_causes()}

# What contradicts the report's own numbers.
ALARMS: tuple[Reason, ...] = (Pick.DISAGREES, Pick.CONTRADICTS_TABLE)

# What says only that a part is missing, which "incomplete" has said already. People need not read it again.
SILENT: tuple[Reason, ...] = (
    Achieved.NOT_SHOWN, Charging.NOT_SHOWN, Filled.NO_MEMINFO, Filled.NO_STATISTICS, Reclaim.NOT_SHOWN, Tasks.NOT_SHOWN,
)

MOST_SUGGESTIONS = 3


def explain(event: OomEvent, before: tuple[OomEvent, ...] = ()) -> Explanation:
    """All findings about one OOM. ``before``: the OOMs before it in the same log or trace, in outline."""
    cases: dict[str, Case] = {}
    findings = []
    for cause in all_causes():
        if not _applies(cause, event):
            continue
        case = Case(before)
        cause.judge(event, case)
        if case.said:
            cases[cause.id] = case
            findings.append(phrasebook.finding(cause.id, cause.step, case))
    said = first(event)
    return Explanation(
        headline=phrasebook.headline(said),
        headline_reasons=tuple(statement.reason for statement in said),
        headline_facts=tuple(fact for statement in said for fact in statement.facts),
        findings=tuple(findings),
        levels=event.trace.levels,
        amounts=tuple(phrasebook.amount(size) for size in amounts(event)) if event.killed is None else (),
        usage_kb=curve(event),
        ranking=ranked(event) if event.killed is None else (),
        suggestions=_suggestions(event, cases),
    )


def _applies(cause: Cause, event: OomEvent) -> bool:
    """Whether a cause is for such an event: of a kill by somebody else, what was lost matters besides."""
    if event.killed is not None:
        return cause.killed or cause.id == "missing"
    if event.trace.throttle is not None:
        return cause.id in ("missing", "throttled")
    return not cause.killed and (event.is_oom or cause.always)


def _suggestions(event: OomEvent, cases: Mapping[str, Case]) -> tuple[Suggestion, ...]:
    """The first that apply and follow from a finding."""
    found = []
    for advice in rules():
        statement = advice.rule(event, cases) if advice.finding in cases else None
        if statement is not None:
            found.append(phrasebook.suggestion(advice.finding, statement))
    return tuple(found[:MOST_SUGGESTIONS])


def pattern(events: Sequence[OomEvent]) -> Pattern:
    """What several OOMs have in common."""
    found, said = summary(events)
    return replace(found, reasons=tuple(one.reason for one in said),
                   sentences=tuple(phrasebook.sentence(one) for one in said))

"""What came of a reproduction, against what was expected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

from oomtrace import why
from oomtrace.model import OomEvent, Unprinted
from oomtrace.text import dialect_of
from oomtrace.text.foreign import named
from oomtrace.text.write import text, write
from oomtrace.why.units import plural

from .spec import ABSENT, Expect, Said


def kernel_text(event: OomEvent, timestamps: bool = True) -> str:
    """The event as the kernel prints it."""
    return text(write(event), timestamps)


def disagreements(expect: Expect, events: Sequence[OomEvent], lost: int = 0) -> list[str]:
    """What is not as expected, in words. Where records were lost, that there is no OOM cannot be known."""
    ooms = [event for event in events if event.is_oom]
    kills = [kill.comm for event in ooms for kill in event.report.kills]
    found = []
    for what, wanted, least, got in (
        ("OOM", expect.events, expect.min_events, len(ooms)),
        ("kill", expect.kills, expect.min_kills, len(kills)),
        ("wait", None, expect.min_waits, _waits(events)),
        ("failed charge", None, expect.min_failures, _failures(events)),
        ("row", None, expect.min_tasks, max((len(event.report.tasks or ()) for event in ooms), default=0)),
    ):
        if wanted is not None and got != wanted:
            found.append(f"{got} {what}s instead of {wanted}")
        if least is not None and got < least:
            found.append(f"{got} {what}s instead of {least} or more")
    if expect.events == 0 and lost and not ooms:
        found.append(f"{plural(lost, 'lost record')} may have told of an OOM")
    if tuple(kills[:len(expect.victims)]) != expect.victims:
        found.append(f"killed {', '.join(kills) or 'nobody'}; expected {', '.join(expect.victims)}")
    found += [f"no line of the report matches {pattern}" for pattern in _unmatched(expect.report, ooms)]
    if expect.printed is not None and any(event.trace.printed is not expect.printed for event in ooms):
        found.append(f"the kernel {'did not print' if expect.printed else 'printed'} a report")
    return found + misexplained(expect, events)


def misexplained(expect: Expect, events: Sequence[OomEvent]) -> list[str]:
    """What no event's explanation says; of several events that which comes nearest counts."""
    if not expect.why:
        return []
    nearest: Optional[list[str]] = None
    for event in events:
        found = _misexplained(expect, why.explain(named(event, dialect_of(event))))
        if not found:
            return []
        nearest = found if nearest is None or len(found) < len(nearest) else nearest
    return ["there is no event to explain"] if nearest is None else nearest


def _misexplained(expect: Expect, explanation: why.Explanation) -> list[str]:
    compared = ((id, verdict.live, explanation.finding(id)) for id, verdict in expect.why.items())
    return [
        f"explained otherwise: {id}: {_shown(finding)}; expected {wanted(said)}"
        for id, said, finding in compared if not says(finding, said)
    ]


def says(finding: Optional[why.Finding], said: Said) -> bool:
    """Whether a finding is as expected."""
    surely = said.confidence.split(" or ")
    if finding is None:
        return ABSENT in surely
    stated = {str(reason) for reason in finding.reasons}
    texts = (finding.sentence, finding.interpretation or "")
    return (
        finding.confidence in surely
        and all(stated & set(reason.split(" or ")) for reason in said.reasons)
        and all(_is(finding, name, pattern) for name, pattern in said.facts.items())
        and (not said.words or any(re.search(said.words, text) for text in texts))
    )


def wanted(said: Said) -> str:
    """What is expected, in a line."""
    parts = [*said.reasons, *(f"{name}: {pattern}" for name, pattern in said.facts.items()), said.words]
    return " ".join([f"[{said.confidence}]", ", ".join(filter(None, parts))]).rstrip()


def _is(finding: why.Finding, name: str, pattern: str) -> bool:
    value = finding.value(name)
    if value is None and "." in name:
        whole, _, part = name.rpartition(".")
        value = getattr(finding.value(whole), part, None)
    return value is not None and re.fullmatch(pattern, fact_text(value)) is not None


def fact_text(value: why.Value) -> str:
    """A fact as text: a process as "comm (pid)", kinds of memory and what takes it by their names."""
    if isinstance(value, tuple):
        return ", ".join(fact_text(one) for one in value)
    if isinstance(value, why.Process):
        return f"{value.comm} ({value.pid})"
    if isinstance(value, why.Thing):
        return value.name or value.what
    return str(value.kind) if isinstance(value, why.Size) else str(value)


def _shown(finding: Optional[why.Finding]) -> str:
    if finding is None:
        return "no such finding"
    stated = ", ".join(str(reason) for reason in finding.reasons)
    return " ".join(filter(None, (f"({stated})", finding.sentence, finding.interpretation, f"[{finding.confidence}]")))


def _unmatched(patterns: Sequence[str], ooms: Sequence[OomEvent]) -> list[str]:
    """The patterns that no line of any report matches."""
    left = list(patterns)
    for event in ooms:
        if not left:  # after a storm, the text of a thousand reports takes its time
            break
        lines = kernel_text(event, timestamps=False).splitlines()
        left = [pattern for pattern in left if not any(re.search(pattern, line) for line in lines)]
    return left


def _waits(events: Sequence[OomEvent]) -> int:
    return sum(event.trace.wait is not None for event in events)


def _failures(events: Sequence[OomEvent]) -> int:
    return sum(event.trace.failure is not None for event in events)


def miscounted(events: Sequence[OomEvent], kernel: int) -> list[str]:
    """Whether the kernel counts other kills than those that were traced. It does not count a victim that was exiting
    already, and counts the first of a group twice, as it prints it."""
    counted = [event for event in events if event.trace.printed or event.trace.unprinted_reason == Unprinted.RATE_LIMIT]
    ours = sum(len(event.report.kills) for event in counted)
    return [] if ours == kernel else [f"the kernel counts {kernel} kills, the trace has {ours}"]


def enough(expect: Expect, events: Sequence[OomEvent]) -> bool:
    """Whether all that is expected by number has come."""
    kills = sum(len(event.report.kills) for event in events)
    return (
        sum(event.is_oom for event in events) >= max(expect.events or 0, expect.min_events or 0, _unless_told(expect))
        and _waits(events) >= (expect.min_waits or 0)
        and _failures(events) >= (expect.min_failures or 0)
        and kills >= max(expect.kills or 0, expect.min_kills or 0, len(expect.victims))
    )


def _unless_told(expect: Expect) -> int:
    """How many OOMs are enough where nothing says so: one, unless it is something else that is expected."""
    return 0 if (expect.events, expect.min_waits, expect.min_failures) != (None, None, None) else 1

"""What came of a reproduction, against what was expected."""

from __future__ import annotations

import re
from typing import List, Sequence

from oomtrace.model import OomEvent
from oomtrace.text.write import text, write

from .spec import Expect

# Exit statuses of the commands that reproduce.
EXIT_UNEXPECTED = 5
EXIT_UNMET = 6


def kernel_text(event: OomEvent, timestamps: bool = True) -> str:
    """The event as the kernel prints it."""
    return text(write(event), timestamps)


def disagreements(expect: Expect, events: Sequence[OomEvent]) -> List[str]:
    """What is not as expected, in words."""
    kills = [kill.comm for event in events for kill in event.kills]
    found = []
    for what, wanted, least, got in (
        ("OOM", expect.events, expect.min_events, len(events)),
        ("kill", expect.kills, expect.min_kills, len(kills)),
    ):
        if wanted is not None and got != wanted:
            found.append(f"{got} {what}s instead of {wanted}")
        if least is not None and got < least:
            found.append(f"{got} {what}s instead of {least} or more")
    if tuple(kills[:len(expect.victims)]) != expect.victims:
        found.append(f"killed {', '.join(kills) or 'nobody'}; expected {', '.join(expect.victims)}")
    lines = [line for event in events for line in kernel_text(event, timestamps=False).splitlines()]
    missing = [pattern for pattern in expect.report if not any(re.search(pattern, line) for line in lines)]
    found += [f"no line of the report matches {pattern}" for pattern in missing]
    if expect.printed is not None and any(event.printed is not expect.printed for event in events):
        found.append(f"the kernel {'did not print' if expect.printed else 'printed'} a report")
    return found


def miscounted(events: Sequence[OomEvent], kernel: int) -> List[str]:
    """Whether the kernel counts other kills than those that were traced. It does not count a victim that was exiting
    already, and counts the first of a group twice, as it prints it."""
    ours = sum(len(event.kills) for event in events if event.printed or event.unprinted_reason == "rate limit")
    return [] if ours == kernel else [f"the kernel counts {kernel} kills, the trace has {ours}"]


def enough(expect: Expect, events: Sequence[OomEvent]) -> bool:
    """Whether all that is expected by number has come."""
    kills = sum(len(event.kills) for event in events)
    return (
        len(events) >= max(expect.events or 0, expect.min_events or 0, 0 if expect.events is not None else 1)
        and kills >= max(expect.kills or 0, expect.min_kills or 0, len(expect.victims))
    )

"""Step 3 as well: whose code charged the memory, by the stacks that were sampled."""

from __future__ import annotations

from collections import Counter
from collections import Counter as Count
from typing import Optional

from oomtrace.model import Code, OomEvent

from .. import look, stacks
from ..case import Case
from ..finding import LIKELY, UNKNOWN, Process, Reason
from ..registry import cause
from ..units import percent

_MOST_LINES = 3
_LEAST_PERCENT = 10  # of what all have charged: less is not worth a line
_SHORT = "frame pointers"


class ByCode(Reason):
    CHARGED_BY = "charged_by"
    NO_STACKS = "no_stacks"
    CHARGED_AND_RESIDENT = "charged_and_resident"
    CHARGED_IS_NOT_KEPT = "charged_is_not_kept"
    LOST = "lost"
    SHORT = "short"


@cause("code", step=3, place=9, reasons=ByCode)
def by_code(event: OomEvent, case: Case) -> None:
    """The functions that charged most, each with its share of what its process charged."""
    code = event.code
    if code is None or not code.samples:
        return
    for process, function in _largest(code):
        _charged_by(code, process, function, case)
    if not case.said:
        case.says(ByCode.NO_STACKS, UNKNOWN, samples=sum(sample.samples for sample in code.samples))
        return
    top = max(_by_process(code).items(), key=lambda item: item[1])
    _resident(event, top, case)
    if code.samples_lost:
        case.remarks(ByCode.LOST, LIKELY, samples_lost=code.samples_lost)
    if code.unwinder == _SHORT:
        case.remarks(ByCode.SHORT, LIKELY)


_Who = tuple[int, str]  # tgid, comm
_Where = tuple[str, Optional[str]]  # module and name of a function


def _largest(code: Code) -> list[tuple[_Who, _Where]]:
    """The functions with the largest part of all, the largest first: each the program's innermost of its stacks."""
    found: Count[tuple[_Who, _Where]] = Counter()
    for sample in code.samples:
        frames = stacks.program(code, sample.stack)
        if frames:
            found[(sample.tgid, sample.comm), (frames[0].name, frames[0].module)] += sample.charged_bytes
    least = code.charged_bytes * _LEAST_PERCENT / 100
    largest = found.most_common(_MOST_LINES)
    return [key for place, (key, size) in enumerate(largest) if place == 0 or size >= least]


def _by_process(code: Code) -> Count[_Who]:
    found: Count[_Who] = Counter()
    for sample in code.samples:
        found[sample.tgid, sample.comm] += sample.charged_bytes
    return found


def _charged_by(code: Code, process: _Who, function: _Where, case: Case) -> None:
    size, largest, path = 0, -1, None
    for sample in code.samples:
        frames = stacks.program(code, sample.stack)
        if (sample.tgid, sample.comm) == process and frames and (frames[0].name, frames[0].module) == function:
            size += sample.charged_bytes
            if sample.charged_bytes > largest:
                largest, path = sample.charged_bytes, stacks.path(frames)
    whole = _by_process(code)[process]
    case.says(
        ByCode.CHARGED_BY, LIKELY, process=Process(*process, kb=whole >> 10), percent=percent(size, whole),
        charged_kb=size >> 10, window_ns=code.window_ns, code=path,
    )


def _resident(event: OomEvent, top: tuple[_Who, int], case: Case) -> None:
    """What is charged may have been given back since, or taken by another process that shares it."""
    (tgid, comm), size = top
    row = look.row_of(event, tgid)
    held = look.rss_kb(event, row) if row is not None else None
    if held is not None:
        case.says(ByCode.CHARGED_AND_RESIDENT, LIKELY, process=Process(tgid, comm), charged_kb=size >> 10,
                  resident_kb=held)
    case.remarks(ByCode.CHARGED_IS_NOT_KEPT, LIKELY)

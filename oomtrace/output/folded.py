"""folded: a line for each stack that charged memory, outermost frame first, and the bytes charged there.

This is what flamegraph.pl, inferno and speedscope read. The frame at the root is the process.
"""

from __future__ import annotations

from collections import Counter
from collections import Counter as Count
from typing import Optional

from oomtrace import why
from oomtrace.errors import OomtraceError
from oomtrace.escape import escaped
from oomtrace.model import Code, CodeFrame, CodeSample, OomEvent

from .base import Writer

NOTHING = OomtraceError(
    "nothing here tells whose code charged memory", "trace with --stacks, or run the command under oomtrace run"
)


class FoldedWriter(Writer):
    """The lines of each event as it comes."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self._any = False

    def write_event(self, event: OomEvent) -> None:
        if event.code is not None and event.code.samples:
            self._any = True
            self.put(folded(event.code))

    def write_end(self, pattern: Optional[why.Pattern]) -> None:
        if self.count and not self._any:
            raise NOTHING


def folded(code: Code) -> str:
    """The lines, those of most bytes first."""
    found: Count[str] = Counter()
    for sample in code.samples:
        frames = [_frame(frame) for frame in code.walk(sample.stack)]
        found[";".join([_plain(f"{sample.comm} ({sample.tgid})"), *reversed(frames or [without_stack(sample)])])] += (
            sample.charged_bytes
        )
    return "".join(f"{stack} {size}\n" for stack, size in found.most_common())


def without_stack(sample: CodeSample) -> str:
    """What stands in place of a stack."""
    return f"[{sample.none if sample.none is not None else 'no stack'}]"


def _frame(frame: CodeFrame) -> str:
    place = frame.place if frame.language is not None else None  # a module of Python has one <module> a file
    return _plain(f"{frame.name} ({place})" if place is not None else frame.name)


def _plain(text: str) -> str:
    """A semicolon ends a frame, and a line a stack."""
    return escaped(text).replace(";", ":")

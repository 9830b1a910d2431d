"""The code in a capture, found once more: here may be files that were not there when it was written."""

from __future__ import annotations

from typing import Optional

from oomtrace import code
from oomtrace.model import Code
from oomtrace.plain import from_plain
from oomtrace.wire.capture import Capture


def resolved(capture: Capture) -> Optional[Code]:
    """The code of a capture: as it holds it or, where that names more, made anew of the copies that it holds."""
    if capture.raw is None:
        return capture.code
    try:
        anew = code.resolve_apart(from_plain(code.RawCode, capture.raw))
    except Exception:  # of many kinds: a capture may come from anywhere, and be no such thing
        return capture.code
    return anew if _named(anew) > _named(capture.code) else capture.code


def _named(found: Optional[Code]) -> int:
    """How many frames of all stacks have a function's name; -1 if there is nothing."""
    if found is None:
        return -1
    return sum(frame.function is not None for stack in range(len(found.stacks)) for frame in found.walk(stack))

"""A stack within a sentence: where the program was, and who called that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from oomtrace.model import Code, CodeFrame

_MOST_NAME = 60
_MOST_FRAMES = 3


def program(code: Code, stack: Optional[int]) -> tuple[CodeFrame, ...]:
    """The frames of the program itself, innermost first; those of a stack that has no such frames are all of them."""
    frames = tuple(code.walk(stack))
    return tuple(frame for frame in frames if not frame.library) or frames


def path(frames: Iterable[CodeFrame]) -> Optional[str]:
    """``parse_row (catalog.c:12) ← load_catalog ← main``; None if there are none."""
    said: list[str] = []
    for frame in frames:
        if len(said) == _MOST_FRAMES:
            break
        place = f" ({frame.place})" if not said and frame.place is not None else ""
        said.append(name(frame) + place)
    return " ← ".join(said) or None


def innermost(code: Code, stack: Optional[int]) -> Optional[str]:
    """Where a thread was: the innermost frame of all, then the program's."""
    frames = tuple(code.walk(stack))
    if not frames:
        return None
    first, own = frames[0], [frame for frame in frames if not frame.library]
    if not first.library or not own:
        return path(own or frames)
    return f"{name(first)} ← {path(own)}"


def name(frame: CodeFrame) -> str:
    """A function's name, not longer than a sentence can bear."""
    found = frame.name
    return found if len(found) <= _MOST_NAME else f"{found[: _MOST_NAME - 1]}…"

"""A share as a bar of block characters, for terminals that can show them."""

from __future__ import annotations

_EIGHTHS = " ▏▎▍▌▋▊▉"
CELLS = 12


def bar(percent: float, cells: int = CELLS) -> str:
    """``100.0`` → all cells full; to an eighth of a cell. Never empty for what is more than nothing."""
    eighths = round(max(0.0, min(percent, 100.0)) * cells * 8 / 100)
    if percent > 0:
        eighths = max(eighths, 1)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")

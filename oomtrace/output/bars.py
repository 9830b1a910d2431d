"""A share as a bar of block characters, sizes over time as a row of them; for terminals that can show them."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉"
_HEIGHTS = "▁▂▃▄▅▆▇█"
CELLS = 12


def bar(percent: float, cells: int = CELLS) -> str:
    """``100.0`` → all cells full; to an eighth of a cell. Never empty for what is more than nothing."""
    eighths = round(max(0.0, min(percent, 100.0)) * cells * 8 / 100)
    if percent > 0:
        eighths = max(eighths, 1)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def sparkline(sizes: Sequence[int]) -> str:
    """A cell for each size, as high as it is beside the largest."""
    most = max(sizes, default=0)
    top = len(_HEIGHTS) - 1
    return "".join(_HEIGHTS[round(size * top / most) if most else 0] for size in sizes)

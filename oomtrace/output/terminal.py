"""What may reach a terminal, and how it looks there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import Any

from oomtrace.escape import escaped as escaped  # here, too: it is part of what may reach a terminal

WIDTH = 100  # where there is no terminal to ask


def is_terminal(stream: Any) -> bool:
    """Does the stream end at a terminal?"""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def colours(stream: Any, environment: Mapping[str, str] = os.environ) -> bool:
    """May there be colour: a terminal that can, and no NO_COLOR (https://no-color.org)."""
    return is_terminal(stream) and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def draws(stream: Any, environment: Mapping[str, str] = os.environ) -> bool:
    """Can it show block characters: a terminal with UTF-8. The kernel's own console (TERM=linux) has no eighths."""
    encoding = str(getattr(stream, "encoding", "") or "").lower().replace("-", "")
    return is_terminal(stream) and encoding == "utf8" and environment.get("TERM") not in (None, "", "dumb", "linux")


def width(stream: Any) -> int:
    """Columns to fill."""
    return max(60, min(shutil.get_terminal_size((WIDTH, 24)).columns, 120)) if is_terminal(stream) else WIDTH


class Style:
    """Colours by meaning; without colour the text as it is. ``draws``: may there be bars of block characters."""

    _CODES = {
        "headline": "1", "step": "1;36", "title": "36", "unknown": "33", "alarm": "1;31", "chosen": "1", "dim": "2",
    }

    def __init__(self, colour: bool, draws: bool = False) -> None:
        self._colour = colour
        self.draws = draws

    def __call__(self, meaning: str, text: str) -> str:
        return f"\x1b[{self._CODES[meaning]}m{text}\x1b[0m" if self._colour and text else text

"""The README's recipes, as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def recipe(number: int) -> str:
    """The commands of a recipe."""
    found = re.search(rf"^\*\*{number}\. .*?^```sh\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"the README has no recipe {number}"
    return found.group(1)

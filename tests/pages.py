"""The pages that people read: README.md and docs/. Their code blocks are run by tests, their tables are made.

A block of commands says who runs it, in the words after ``sh``:

    ```sh here NAME           on this machine, without root        tests/cli/test_recipes.py
    ```sh guest NAME          as root in a VM, all in one boot      the same
    ```sh guest-ooms NAME     there, while OOMs happen              the same
    ```sh vm NAME             on this machine, booting VMs          the same
    ```sh by PATH             another test, which names the page
    ```sh not-run WHY         nobody, for a reason (it installs packages, it takes hours)

What is between ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->`` is made by ``tests/made.py``: ``make readme``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
WHO = ("here", "guest", "guest-ooms", "vm", "by", "not-run")
_BLOCK = re.compile(r"^```sh(?P<label>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Commands in a page: who runs them, and their name (or the path, or the reason)."""

    page: str
    line: int
    who: str
    name: str
    text: str


def pages() -> list[Path]:
    """README.md and the pages in docs/."""
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def blocks() -> Iterator[Block]:
    """All blocks of commands."""
    for page in pages():
        text = page.read_text()
        for found in _BLOCK.finditer(text):
            who, _, name = found["label"].strip().partition(" ")
            line = text.count("\n", 0, found.start()) + 1
            yield Block(str(page.relative_to(REPOSITORY)), line, who, name, found["text"])


def of(*who: str) -> list[Block]:
    """The blocks that these run."""
    return [block for block in blocks() if block.who in who]


def block(name: str) -> Block:
    """The one with a name."""
    (found,) = [each for each in blocks() if each.name == name]
    return found

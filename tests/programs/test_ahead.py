"""Text made by a process of its own: all of it, none of it, or nobody is left to take it."""

from __future__ import annotations

import os
import select

from oomtrace.programs.ahead import Ahead

_LARGE = 1 << 20  # more than a pipe holds
_LONG_S = 60.0


def test_text() -> None:
    """It comes whole, however large it is."""
    assert Ahead(lambda: "x" * _LARGE).text() == "x" * _LARGE


def test_nothing() -> None:
    """What cannot be made is None, and the making process is gone."""

    def fails() -> str:
        raise ValueError

    assert Ahead(fails).text() is None


def test_ends_with_its_parent() -> None:
    """Where the process that wanted the text is killed before it takes it, the one that makes it ends, too."""
    alive, held = os.pipe()  # closed for good when all who hold it are gone
    pid = os.fork()
    if not pid:
        try:
            Ahead(lambda: "x" * _LARGE)
        finally:
            os._exit(0)
    os.close(held)
    os.waitpid(pid, 0)
    try:
        readable, _, _ = select.select([alive], [], [], _LONG_S)
        assert readable and os.read(alive, 1) == b""
    finally:
        os.close(alive)

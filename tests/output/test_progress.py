"""The progress bar: on a terminal and for large files alone, and every piece passes through."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from oomtrace.output import progress


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_large_file_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LEAST_BYTES", 1 << 20)
    path = tmp_path / "big.log"
    path.write_bytes(b"x" * (5 << 20))
    screen = _Screen()
    with path.open("rb") as stream:
        assert b"".join(progress.watched(str(path), stream, screen)) == path.read_bytes()
    assert "% of big.log" in screen.getvalue() and screen.getvalue().endswith("\r\x1b[K")


def test_small_file_or_no_terminal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "small.log"
    path.write_bytes(b"x")
    with path.open("rb") as stream:
        assert progress.watched(str(path), stream, _Screen()) is stream
        assert progress.watched(str(path), stream, io.StringIO()) is stream

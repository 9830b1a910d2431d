"""Bars for terminals, and where there are none."""

from __future__ import annotations

import io

import pytest
from why_events import memcg2

from oomtrace.output import terminal
from oomtrace.output.bars import CELLS, bar
from oomtrace.output.explanation import explanation
from oomtrace.output.terminal import Style
from oomtrace.why import explain


@pytest.mark.parametrize(("percent", "shown"), [
    (0.0, ""), (0.01, "▏"), (50.0, "█" * (CELLS // 2)), (100.0, "█" * CELLS), (187.0, "█" * CELLS),
    (100 / CELLS * 1.5, "█▌"),
])
def test_a_share_is_as_long_as_it_is_large(percent: float, shown: str) -> None:
    assert bar(percent) == shown


def test_bars_stand_beside_the_numbers_alone() -> None:
    found = explain(memcg2())
    plain = explanation(found, Style(False), 100)
    drawn = explanation(found, Style(False, draws=True), 100)
    assert "█" not in plain and "█" in drawn
    assert [line.rstrip(" █▏▎▍▌▋▊▉") for line in drawn.splitlines()] == plain.splitlines()
    assert max(map(len, drawn.splitlines())) <= 100


class Terminal(io.StringIO):
    encoding = "UTF-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "term", "can"), [
    (Terminal(), "xterm-256color", True), (Terminal(), "dumb", False), (Terminal(), "linux", False),
    (io.StringIO(), "xterm", False),
])
def test_only_a_terminal_that_can_gets_them(stream: io.StringIO, term: str, can: bool) -> None:
    assert terminal.draws(stream, {"TERM": term}) is can

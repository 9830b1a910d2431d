"""The taint of a kernel, as the report prints it."""

from __future__ import annotations

from typing import Optional

import pytest

from oomtrace.facts import Facts
from oomtrace.wire import taint

O_E = 1 << 12 | 1 << 13


@pytest.mark.parametrize("mask, facts, line, names", [
    (0, Facts(taint_names=True), "Not tainted", None),
    (O_E, Facts(taint_flags=18), "Tainted: G" + " " * 11 + "OE    ", None),
    (O_E, Facts(taint_flags=20), "Tainted: G" + " " * 11 + "OE      ", None),
    (1, Facts(taint_flags=2), "Tainted: P ", None),
    (O_E, Facts(taint_flags=18, taint_names=True), "Tainted: G" + " " * 11 + "OE    ",
     "[O]=OOT_MODULE, [E]=UNSIGNED_MODULE"),
])
def test_described(mask: int, facts: Facts, line: str, names: Optional[str]) -> None:
    assert taint.describe(mask, facts) == (line, names)


def test_a_kernel_that_does_not_say_how_many_flags_it_has() -> None:
    line, _ = taint.describe(1, Facts())
    assert len(line) == len("Tainted: ") + len(taint.FLAGS)

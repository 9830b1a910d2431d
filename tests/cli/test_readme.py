"""The README's output is real output: that of the recorded OOM on 6.1."""

from __future__ import annotations

from oomtrace.session import verify
from tests.fixtures import readme
from tests.live.guest import kernel_lines


def test_explanation() -> None:
    assert readme.shown()[0] == readme.blocks()[0], "make readme"


def test_report_and_verdict() -> None:
    assert readme.shown()[1] == readme.blocks()[1], "make readme"
    theirs = [line.decode() for line in kernel_lines(readme.RECORDED.with_suffix(".kmsg").read_bytes())]
    assert verify.compare(theirs, verify.report_lines(readme.event())).exact

"""The README's output is real output: that of the recorded OOM on 6.1."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import List

from oomtrace import output, verify
from oomtrace.model import OomEvent
from oomtrace.wire import capture
from tests.live.guest import kernel_lines

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
RECORDED = ROOT / "tests" / "fixtures" / "data" / "6.1-memcg-v2.oom"


def _event() -> OomEvent:
    (event,) = capture.events(capture.load(io.BytesIO(RECORDED.read_bytes())))
    return event


def _printed(form: str) -> List[str]:
    stream = io.StringIO()
    writer = output.writer(form, stream)
    writer.event(_event())
    writer.finish()
    return stream.getvalue().splitlines()


def _blocks() -> List[List[str]]:
    return [block.strip("\n").split("\n") for block in re.findall(r"^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL)]


def test_explanation() -> None:
    shown = _blocks()[0]
    assert shown[0] == "$ sudo oomtrace --format why"
    assert shown[1:] == _printed("why")


def test_report_and_verdict() -> None:
    *shown, verdict = _blocks()[1]
    cut = shown.index("…")
    printed = _printed("text")
    assert shown[:cut] == printed[:cut]
    rest = shown[cut + 1 :]
    at = printed.index(rest[0])
    assert rest == printed[at : at + len(rest)]
    theirs = [line.decode() for line in kernel_lines(RECORDED.with_suffix(".kmsg").read_bytes())]
    found = verify.compare(theirs, verify.report_lines(_event()))
    assert found.exact
    assert verdict == f"oomtrace: verify: {found.identical} of {found.kernel_lines} lines identical to the kernel's log"

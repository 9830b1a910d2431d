"""``oomtrace repro``: what it says of files before anything is run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from oomtrace.cli import repro
from oomtrace.wire import capture

RECORDED = Path(__file__).parents[1] / "fixtures" / "data" / "6.1-memcg-v2.oom"
MINIMAL = b"about: a\nprocesses:\n  - {name: p, do: [sleep]}\n"


def test_standard_input(tmp_path: Path) -> None:
    results = tmp_path / "results"
    words = [sys.executable, "-m", "oomtrace", "repro", "--check", "--results", str(results), "-"]
    assert subprocess.run(words, input=MINIMAL).returncode == 0
    assert json.loads(results.read_text())["name"] == "stdin"
    wrong = subprocess.run(words, input=b"about: a\n\xff", stderr=subprocess.PIPE)
    assert (wrong.returncode, wrong.stderr) == (2, b"oomtrace: -:2:1: not UTF-8: byte 0xff\n")


def test_a_result_tells_what_came_of_each_oom() -> None:
    with RECORDED.open("rb") as stream:
        (event,) = capture.events(capture.load(stream))
    told = repro._event(event)
    assert (told["kind"], told["printed"], told["unprinted_reason"], told["missing"]) == ("memcg", True, None, [])
    assert told["records_lost"] == 0 and "hog invoked oom-killer" in told["text"]

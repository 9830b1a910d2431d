"""``oomtrace repro``: what it says of files before anything is run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MINIMAL = b"about: a\nprocesses:\n  - {name: p, do: [sleep]}\n"


def test_standard_input(tmp_path: Path) -> None:
    results = tmp_path / "results"
    words = [sys.executable, "-m", "oomtrace", "repro", "--check", "--results", str(results), "-"]
    assert subprocess.run(words, input=MINIMAL).returncode == 0
    assert json.loads(results.read_text())["name"] == "stdin"
    wrong = subprocess.run(words, input=b"about: a\n\xff", stderr=subprocess.PIPE)
    assert (wrong.returncode, wrong.stderr) == (2, b"oomtrace: -:2:1: not UTF-8: byte 0xff\n")

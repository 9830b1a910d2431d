"""What reaches standard error, and what happens where nothing can."""

from __future__ import annotations

import os
import sys
import time

import pytest

from oomtrace.cli import voice


@pytest.fixture(autouse=True)
def _not_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "_stuck", False)


def test_nothing_of_a_name_acts_on_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    voice.say("oomtrace: killed \x1b]0;pwn\x07\x1b[2J\n  hint: \udcff")
    assert capfd.readouterr().err == "oomtrace: killed \\x1b]0;pwn\\x07\\x1b[2J\n  hint: \\xff\n"


def test_a_full_disk_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        voice.say("one")
        voice.say("two")


def test_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    voice.say("one")


def test_a_pipe_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for once, and written to again once there is room."""
    read, write = os.pipe()
    monkeypatch.setattr(voice, "_PATIENCE_MS", 100)
    with os.fdopen(write, "w") as stuck:
        monkeypatch.setattr(sys, "stderr", stuck)
        begin = time.monotonic()
        for _ in range(10_000):
            voice.say("x" * 100)
        assert 0.1 <= time.monotonic() - begin < 60
        while len(os.read(read, 65536)) == 65536:
            pass
        voice.say("again")
        assert os.read(read, 65536).endswith(b"again\n")
    os.close(read)

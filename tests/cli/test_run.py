"""``oomtrace run``: what it makes of its options, of what is lost and of what is left. Nothing real is traced."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from oomtrace.cli import run
from oomtrace.errors import OomtraceError
from oomtrace.repro import cgroups

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


class FakeRecorder:
    """Has seen nothing, and tells at its end what it has lost."""

    losing = 0

    def __init__(self, *_: object) -> None:
        self.events: list[Any] = []
        self.lost = 0
        self.code = None
        self.descriptor, self._write = os.pipe()

    def start(self) -> None:
        pass

    def receive(self) -> bool:
        return True

    def sample(self, cgroup_id: int) -> None:
        pass

    def settle(self, seconds: float, enough: Callable[[], bool]) -> None:
        pass

    def drain(self, quiet_seconds: float, seconds: float) -> None:
        pass

    def stop(self) -> None:
        self.lost = self.losing
        os.close(self.descriptor)
        os.close(self._write)


@pytest.fixture(autouse=True)
def make_believe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "Recorder", FakeRecorder)
    monkeypatch.setattr(cgroups, "find", lambda: cgroups.Hierarchy(1, {"memory": tmp_path}))
    monkeypatch.setattr(cgroups, "remove", lambda _: True)


def started(*words: str) -> int:
    status: int = run.command.main(list(words), prog_name="run", standalone_mode=False)
    return status


def test_lost_records_are_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(FakeRecorder, "losing", 2)
    assert started("sh", "-c", "exit 3") == 3
    assert capsys.readouterr().err == "oomtrace: 2 records lost: some reports are incomplete\n"


def test_absence_is_not_known_where_records_are_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert started("--expect", "no-oom", "true") == 0
    monkeypatch.setattr(FakeRecorder, "losing", 1)
    assert started("--expect", "no-oom", "--cgroup", "other", "true") == 5
    assert capsys.readouterr().err.endswith("oomtrace: expected no OOM, and 1 lost record may have told of one\n")


def test_what_is_left_behind_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cgroups, "remove", lambda _: False)
    assert started("--cgroup", "left", "true") == 0
    left = f"oomtrace: {tmp_path / 'left'} could not be removed: it still has processes\n"
    assert capsys.readouterr().err == left


@pytest.mark.parametrize(
    "words, status, message",
    [
        (["--expect", "victim=longer-than-a-comm"], 2, "process name of 1 to 15 bytes"),
        (["--cgroup", "a//b"], 2, "between single /"),
        (["--cgroup", "a" * 256], 2, "names of 1 to 255 bytes"),
        (["--cgroup", "/"], 2, "the root cgroup exists already"),
        (["--swap-max", "0"], 2, "--swap-max needs --memory-max"),
        (["--swap-max", "0", "--memory-max", "max"], 2, "--swap-max needs --memory-max"),
        (["--memory-high", "1M"], 1, "cgroup v1 has no memory.high"),
        (["--oom-group"], 1, "cgroup v1 has no memory.oom.group"),
    ],
)
def test_wrong_options_are_told_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, words: list[str], status: int, message: str
) -> None:
    def none(*_: object) -> None:
        raise AssertionError("the trace is started")

    monkeypatch.setattr(FakeRecorder, "start", none)
    with pytest.raises(OomtraceError, match=message) as caught:
        started(*words, "true")
    assert caught.value.status == status


def test_swap_max_has_a_hint() -> None:
    with pytest.raises(OomtraceError) as caught:
        started("--swap-max", "0", "true")
    assert caught.value.hint == "add --memory-max SIZE, such as 64M"

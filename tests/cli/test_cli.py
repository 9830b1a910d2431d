"""The command line's promises to a person: one sentence, a hint, a documented status, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oomtrace import cli
from oomtrace.kernel import privileges

ROOT = Path(__file__).resolve().parents[2]
SEED_LIKE = ROOT / "tests" / "fixtures" / "data" / "6.1-memcg-v2.kmsg"
CAPTURE = SEED_LIKE.with_suffix(".oom")


def run(*arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    words = [sys.executable, "-m", "oomtrace", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, input=stdin, capture_output=True, env=environment, cwd="/", timeout=60)


def assert_complaint(done: "subprocess.CompletedProcess[bytes]", status: int, words: str) -> None:
    said = done.stderr.decode()
    assert done.returncode == status, said
    assert words in said and "Traceback" not in said
    assert said.startswith(("oomtrace: ", "Usage: "))


def test_not_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(privileges, "effective", lambda: frozenset({"CAP_PERFMON"}))
    with pytest.raises(SystemExit) as caught:
        cli.main(["--once"])
    said = capsys.readouterr().err
    assert caught.value.code == 10
    assert said.startswith("oomtrace: ") and "CAP_BPF" in said.splitlines()[0] and "hint: " in said


@pytest.mark.parametrize("name, words", [("/nonexistent", "cannot read"), ("/", "is a directory")])
def test_unreadable_input(name: str, words: str) -> None:
    assert_complaint(run("read", name), 4, words)


@pytest.mark.parametrize("data", [b"", b"hello\n", bytes(range(256)) * 50])
def test_no_report_has_a_status_of_its_own(data: bytes) -> None:
    assert_complaint(run("read", "-", stdin=data), 3, "no OOM report")


def test_damaged_capture(tmp_path: Path) -> None:
    damaged = tmp_path / "x.oom"
    damaged.write_bytes(CAPTURE.read_bytes()[:40])
    assert_complaint(run("read", str(damaged)), 4, "damaged")


def test_capture_of_a_later_version_is_told_as_such(tmp_path: Path) -> None:
    later = tmp_path / "x.oom"
    later.write_bytes(CAPTURE.read_bytes().replace(b"OOMTRACE 1\n", b"OOMTRACE 2\n", 1))
    assert_complaint(run("read", str(later)), 4, "version 2")


@pytest.mark.parametrize("path", [SEED_LIKE, CAPTURE], ids=["log", "capture"])
def test_input_may_come_through_pipes(path: Path, tmp_path: Path) -> None:
    expected = run("read", "--format", "kernel", str(path)).stdout
    assert run("read", "--format", "kernel", "-", stdin=path.read_bytes()).stdout == expected != b""
    os.mkfifo(tmp_path / "pipe")
    slowly = f"(head -c 5; sleep 0.3; cat) <{path} >{tmp_path}/pipe"
    with subprocess.Popen(["sh", "-c", slowly]):
        assert run("read", "--format", "kernel", str(tmp_path / "pipe")).stdout == expected


def test_unknown_words() -> None:
    assert_complaint(run("read", "--dialect", "9.9", "-"), 2, "no dialect")
    assert_complaint(run("read", "--format", "xml", "-"), 2, "no format")
    assert_complaint(run("frobnicate"), 2, "frobnicate")


def test_log_and_capture_of_the_same_oom_print_the_same_report() -> None:
    log, captured = run("read", "--format", "kernel", str(SEED_LIKE)), run("read", "--format", "kernel", str(CAPTURE))
    assert log.returncode == captured.returncode == 0
    assert log.stdout == captured.stdout
    assert b"hog invoked oom-killer" in log.stdout


def test_reader_that_goes_away_is_no_error() -> None:
    words = f"{sys.executable} -m oomtrace read {SEED_LIKE} | head -n 1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", words], capture_output=True, env=environment, timeout=60)
    assert done.stdout.count(b"\n") == 1 and not done.stderr


def test_version_and_help_name_the_commands() -> None:
    assert run("--version").stdout.startswith(b"oomtrace ")
    shown = run("--help").stdout.decode()
    assert "trace" in shown and "read" in shown

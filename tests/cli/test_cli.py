"""The command line's promises to a person: one sentence, a hint, a documented status, no traceback."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oomtrace import cli, output, tell
from oomtrace.kernel import privileges
from oomtrace.output.base import Writer

pytestmark = pytest.mark.first

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
    assert_complaint(run("read", "--format", "xml", "-"), 2, "'xml'")
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


def test_every_format_has_its_writer_and_a_word_in_the_help() -> None:
    shown = " ".join(run("trace", "--help").stdout.decode().split())
    for name, format in output.FORMATS.items():
        assert isinstance(output.writer(name, io.StringIO()), Writer)
        assert f"{name}: {format.about}" in shown


def test_every_channel_has_its_option() -> None:
    shown = run("trace", "--help").stdout.decode()
    assert set(tell.modules()) >= {"journald"}
    assert all(module.OPTION.flag in shown for module in tell.modules().values())
    assert tell.opened(dict.fromkeys(tell.modules(), False)) == []
    assert [channel.name for channel in tell.opened({"journald": True})] == ["the journal"]


@pytest.mark.parametrize("arguments", [
    ["--format", "xml"], ["--timeout", "nan"], ["--timeout", "inf"], ["--timeout", "-1"], ["-o", ""],
    ["--global-only", "--memcg-only"], ["--stacks", "on", "--charges", "every"],
    ["run", "--format", "xml", "--", "true"], ["run", "-o", "", "--", "true"],
])
def test_what_is_wrong_is_said_before_anything_starts(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2 and b"Traceback" not in done.stderr and b"ready" not in done.stderr


@pytest.mark.parametrize("name", ["missing/x.oom", "file/", "file/x.oom"])
@pytest.mark.parametrize("command", [[], ["run"]])
def test_a_place_where_nothing_can_be_written(command: list[str], name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(*command, "-o", f"{tmp_path}/{name}", *(["--", "true"] if command else []))
    assert_complaint(done, 1, "cannot write to")


def test_debug_is_the_commands_own_word_after_it() -> None:
    done = run("run", "--expect", "foo", "--", "true", "--debug")
    assert_complaint(done, 2, "--expect foo")


def test_a_full_disk_is_said() -> None:
    with open("/dev/full", "wb") as full:
        words = [sys.executable, "-m", "oomtrace", "schema"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, cwd=ROOT)
    assert (done.returncode, done.stderr) == (1, b"oomtrace: cannot write: No space left on device\n")


def test_standard_output_is_closed() -> None:
    done = subprocess.run(["sh", "-c", f"{sys.executable} -m oomtrace schema >&-"], stderr=subprocess.PIPE, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_that_goes_away_has_a_status_of_its_own() -> None:
    reader, writer = os.pipe()
    os.close(reader)  # it is gone before anything is written, however slow it is
    words = [sys.executable, "-m", "oomtrace", "read", "--format", "json", str(SEED_LIKE)]
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, cwd=ROOT)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")

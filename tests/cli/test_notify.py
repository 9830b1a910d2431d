"""Scripts learn that a trace is ready, or that it will not be; nobody is kept waiting."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from oomtrace.cli import notify
from oomtrace.cli.notify import Ready


def test_files_are_written_when_ready_and_removed_at_the_end(tmp_path: Path) -> None:
    pid, ready = tmp_path / "pid", tmp_path / "ready"
    with Ready(str(pid), str(ready)) as announcer:
        assert not pid.exists() and not ready.exists()
        announcer.announce()
        assert pid.read_text() == ready.read_text() == f"{os.getpid()}\n"
    assert not list(tmp_path.iterdir())


def test_what_is_there_stays_when_it_never_was_ready(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("another's")
    with pytest.raises(RuntimeError), Ready(str(tmp_path / "pid"), None):
        raise RuntimeError
    assert (tmp_path / "pid").read_text() == "another's"


def _reader(fifo: Path) -> "subprocess.Popen[str]":
    os.mkfifo(fifo)
    return subprocess.Popen(["cat", str(fifo)], stdout=subprocess.PIPE, text=True)


def test_fifo_gives_the_pid(tmp_path: Path) -> None:
    reader = _reader(tmp_path / "ready")
    with Ready(None, str(tmp_path / "ready")) as announcer:
        announcer.announce()
        assert reader.communicate(timeout=60)[0] == f"{os.getpid()}\n"
    assert not (tmp_path / "ready").exists()


def test_fifo_ends_where_it_never_gets_ready(tmp_path: Path) -> None:
    reader = _reader(tmp_path / "ready")
    with pytest.raises(RuntimeError), Ready(None, str(tmp_path / "ready")):
        while Path(f"/proc/{reader.pid}/comm").read_text() != "cat\n" or not _waits(reader.pid):
            time.sleep(0.01)
        raise RuntimeError
    assert reader.communicate(timeout=60)[0] == "" and reader.returncode == 0


def _waits(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def test_fifo_that_nobody_reads_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ready")
    before = set(threading.enumerate())
    with Ready(None, str(tmp_path / "ready")) as announcer:
        announcer.announce()
    for writing in set(threading.enumerate()) - before:  # the one that wrote ends, too
        writing.join(60)
        assert not writing.is_alive()
    assert not list(tmp_path.iterdir())


def test_a_thread_that_comes_late_to_its_fifo_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = notify._write_fifo
    monkeypatch.setattr(notify, "_write_fifo", lambda path: (time.sleep(0.2), write(path)))
    test_fifo_that_nobody_reads_keeps_nobody_waiting(tmp_path)


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with Ready(None, None) as announcer:
            announcer.announce()
            assert systemd.recv(100) == b"READY=1"
        assert systemd.recv(100) == b"STOPPING=1"

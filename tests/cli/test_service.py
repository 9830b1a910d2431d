"""What the service is made of: a folder of captures with a bound, entries of the journal, the unit."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from oomtrace import errors, model
from oomtrace.cli.shelf import Shelf, shelf
from oomtrace.errors import OomtraceError
from oomtrace.tell import journald
from oomtrace.wire import capture
from tests.events import made

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd" / "oomtrace.service"
CAPTURE = ROOT / "tests" / "fixtures" / "data" / "6.1-memcg-v2.oom"


def _captures(folder: Path, sizes: list[int]) -> list[Path]:
    paths = []
    for number, size in enumerate(sizes):
        path = folder / f"{number}.oom"
        path.write_bytes(b"x" * size)
        os.utime(path, ns=(number * 10**9, number * 10**9))
        paths.append(path)
    return paths


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_oldest_go(tmp_path: Path) -> None:
    paths = _captures(tmp_path, [10, 10, 10, 10])
    assert Shelf(count=2).tidy(paths[-1]) == [paths[1], paths[0]]
    assert _left(tmp_path) == ["2.oom", "3.oom"]


def test_size_is_bound_and_the_newest_stays(tmp_path: Path) -> None:
    paths = _captures(tmp_path, [10, 10, 10, 100])
    Shelf(size_bytes=110).tidy(paths[-1])
    assert _left(tmp_path) == ["2.oom", "3.oom"]
    Shelf(size_bytes=1).tidy(paths[-1])
    assert _left(tmp_path) == ["3.oom"]


def test_only_captures_are_removed(tmp_path: Path) -> None:
    paths = _captures(tmp_path, [1, 1])
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "folder.oom").mkdir()
    (tmp_path / "link.oom").symlink_to("notes.txt")
    Shelf(count=1).tidy(paths[-1])
    assert _left(tmp_path) == ["1.oom", "folder.oom", "link.oom", "notes.txt"]


def test_bounds_are_checked(tmp_path: Path) -> None:
    assert shelf(None, None, None) is None
    assert shelf(3, 2 << 20, f"{tmp_path}") == Shelf(3, 2 << 20)
    with pytest.raises(OomtraceError, match="folder"):
        shelf(3, None, "file.oom")


def _parsed(data: bytes) -> list[tuple[str, bytes]]:
    """The journal's side of the protocol."""
    found = []
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + length], rest[8 + length + 1 :]
        found.append((name.decode(), value))
        data = rest
    return found


def test_entry_of_a_real_oom_reaches_the_journal(tmp_path: Path) -> None:
    with CAPTURE.open("rb") as stream:
        (event,) = capture.events(capture.load(stream))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "socket"))
        journald.JournalSocket(str(tmp_path / "socket")).send(journald.fields(event, Path("/var/lib/oomtrace/x.oom")))
        entry = dict(_parsed(journal.recv(1 << 16)))
    assert entry["OOMTRACE_VICTIM"] == b"hog" and entry["OOMTRACE_MEMCG"] == b"/foo"
    assert entry["MESSAGE_ID"].decode() == journald.MESSAGE_ID and len(journald.MESSAGE_ID) == 32
    assert b"hog" in entry["MESSAGE"] and entry["OOMTRACE_CAPTURE"] == b"/var/lib/oomtrace/x.oom"


def test_a_journal_that_does_not_read_is_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journald, "PATIENCE_S", 0.2)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stuck:
        stuck.bind(str(tmp_path / "socket"))
        journal, failures, begin = journald.JournalSocket(str(tmp_path / "socket")), 0, time.monotonic()
        for _ in range(2000):
            try:
                journal.send({"MESSAGE": "x"})
            except OSError:
                failures += 1
        assert failures > 100 and 0.2 <= time.monotonic() - begin < 60
        stuck.recv(100)
        journal.send({"MESSAGE": "again"})


def test_names_of_processes_add_no_fields() -> None:
    evil = "a\nPRIORITY=0\n\udcff\x1b[2J"
    event = made(kind="memcg", kills=(model.Kill(7, evil),))
    entry = _parsed(journald.datagram(journald.fields(event)))
    assert [name for name, _ in entry].count("PRIORITY") == 1
    assert dict(entry)["OOMTRACE_VICTIM"] == evil.encode("utf-8", "surrogateescape")
    assert b"\x1b" not in dict(entry)["MESSAGE"] and b"\n" not in dict(entry)["MESSAGE"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "oomtrace.service"
    text = UNIT.read_text().replace("ExecStart=oomtrace ", "ExecStart=/bin/true ")
    unit.write_text(text.replace("man:oomtrace(1)", ""))  # neither is installed here
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "oomtrace.service" in line]) == (0, [])


def test_service_may_lock_memory_and_is_not_killed() -> None:
    settings = UNIT.read_text().splitlines()
    assert {"OOMScoreAdjust=-1000", "LimitMEMLOCK=infinity", "ProtectSystem=strict", "CacheDirectory=oomtrace"} <= set(
        settings
    )


def test_service_is_not_started_again_for_what_stays_true() -> None:
    (line,) = [line for line in UNIT.read_text().splitlines() if line.startswith("RestartPreventExitStatus=")]
    lasting = range(errors.EXIT_NOT_ROOT, errors.EXIT_OLD_PYTHON + 1)
    assert [int(status) for status in line.partition("=")[2].split()] == [errors.EXIT_USAGE, *lasting]

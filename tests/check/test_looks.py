"""What can be seen of processes and containers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from oomtrace.diagnosis import looks
from oomtrace.diagnosis.rows import INFO, OK
from oomtrace.witness import syscalls


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "proc/1/root").mkdir(parents=True)
    (tmp_path / "proc/1/smaps_rollup").write_text("Rss: 4 kB\n")
    (tmp_path / "proc/1/exe").symlink_to("/sbin/init")
    (tmp_path / "proc/pressure").mkdir()
    (tmp_path / "proc/pressure/memory").write_text("some avg10=0.00\n")
    (tmp_path / "proc/slabinfo").write_text("slabinfo - version: 2.1\n")
    (tmp_path / "proc/1/fd").mkdir()
    (tmp_path / "var/lib/docker/containers").mkdir(parents=True)
    return tmp_path


def test_all_can_be_seen(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "tells_of_others", lambda: True)
    facts: dict[str, Any] = {}
    row = looks.look(facts, machine)
    assert (row.state, row.hint) == (OK, None)
    assert "executables, mappings" in row.found and "Docker" in row.found
    assert "mappings, open files, sockets and pipes, files of a process's root" in row.found
    assert "slab caches and page cache by " in row.found and "vmalloc" not in row.found
    assert facts["witness"]["lacking"] == []


def test_what_is_denied_is_named(machine: Path) -> None:
    (machine / "proc/1/exe").unlink()
    row = looks.look({}, machine)
    assert row.state == INFO and "not: executables" in row.found
    assert row.hint is not None and "CAP_SYS_PTRACE" in row.hint


def test_a_filter_of_system_calls(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the service has one: it refuses what it does not know."""
    def refused(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    (machine / "proc/1/fd/0").symlink_to("/dev/null")
    for name in ("cachestat", "mincore", "pidfd_getfd"):
        monkeypatch.setattr(syscalls, name, refused)
    row = looks.look({}, machine)
    assert "not: sockets and pipes and page cache" in row.found
    assert row.hint is not None and "pidfd_getfd" in row.hint


def test_files_of_others(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "tells_of_others", lambda: False)
    assert "not: page cache of files of other users" in looks.look({}, machine).found


def test_what_others_have_open(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of what a process has open is its user's alone."""
    listed, asked = os.listdir, list[Path]()

    def of_own_first(folder: Path) -> list[str]:
        asked.append(folder)
        if asked.count(folder) > 1:
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(os, "listdir", of_own_first)
    assert "open files, " in looks.look({}, machine).found
    asked.clear()
    here = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: here + 1)
    assert "not: open files" in looks.look({}, machine).found


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_runtime_s_folder_that_cannot_be_read(machine: Path) -> None:
    (machine / "var/lib/docker/containers").chmod(0)
    assert "not: containers of Docker" in looks.look({}, machine).found

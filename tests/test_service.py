"""oomtrace.pyz makes itself a service, and takes itself away again."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from pathlib import Path

import pytest

from oomtrace import service, shipped
from oomtrace.errors import EXIT_NOT_ROOT, OomtraceError


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """A machine below tmp_path, root on it, with oomtrace.pyz; what systemctl is asked."""
    words: list[tuple[str, ...]] = []
    (tmp_path / service.SYSTEMD).mkdir(parents=True)
    archive = tmp_path / "oomtrace.pyz"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as members:
        members.writestr("__main__.py", "print('started')")
    archive.write_bytes(b"#!/usr/bin/env python3\n" + made.getvalue())
    monkeypatch.setattr(shipped, "archive", lambda: archive)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(service, "_HOMES", ())
    monkeypatch.setattr(service, "_systemctl", lambda *said: words.append(said))
    return words


def test_it_is_installed_and_started(asked: list[tuple[str, ...]], tmp_path: Path) -> None:
    files = [tmp_path / path for path in (service.COMMAND, service.UNIT, service.PAGE)]
    assert list(service.install(tmp_path)) == files
    command = tmp_path / service.COMMAND
    assert command.read_bytes().startswith(f"#!{sys.executable}\n".encode()) and os.access(command, os.X_OK)
    assert os.popen(f"{sys.executable} {command}").read() == "started\n"
    unit = (tmp_path / service.UNIT).read_text()
    assert "\nExecStart=/usr/local/bin/oomtrace trace " in unit
    assert asked == [("daemon-reload",), ("enable", "oomtrace.service"), ("restart", "oomtrace.service")]


def test_it_goes_and_leaves_nothing(asked: list[tuple[str, ...]], tmp_path: Path) -> None:
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    written = list(service.install(tmp_path))
    assert sorted(service.remove(tmp_path)) == sorted(written)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before
    assert ("disable", "--now", "oomtrace.service") in asked
    assert list(service.remove(tmp_path)) == []


def test_a_command_of_another_making_stays(asked: list[tuple[str, ...]], tmp_path: Path) -> None:
    command = tmp_path / service.COMMAND
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n")
    with pytest.raises(OomtraceError, match="is not oomtrace.pyz"):
        list(service.install(tmp_path))
    assert list(service.remove(tmp_path)) == [] and command.exists()


def test_a_package_has_its_own(asked: list[tuple[str, ...]], tmp_path: Path) -> None:
    unit = tmp_path / "lib/systemd/system/oomtrace.service"
    unit.parent.mkdir(parents=True)
    unit.touch()
    with pytest.raises(OomtraceError, match="already: /lib/systemd"):
        list(service.install(tmp_path))


def test_what_is_missing_is_said(
    asked: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / service.SYSTEMD).rmdir()
    with pytest.raises(OomtraceError, match="systemd does not run"):
        list(service.install(tmp_path))
    monkeypatch.setattr(service, "_HOMES", (Path(sys.executable).resolve().parent,))
    with pytest.raises(OomtraceError, match="sees no home folders"):
        list(service.install(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(OomtraceError) as refused:
        list(service.remove(tmp_path))
    assert refused.value.status == EXIT_NOT_ROOT
    monkeypatch.setattr(shipped, "archive", lambda: None)
    with pytest.raises(OomtraceError, match=r"only oomtrace\.pyz"):
        list(service.install(tmp_path))
    assert asked == []


def test_a_full_disk_is_told(asked: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OomtraceError, match="No space left"):
        list(service.install(tmp_path))
    assert asked == []

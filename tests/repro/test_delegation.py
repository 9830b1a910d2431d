"""A scope of systemd's for the command's cgroup. With a make-believe systemd; the real one: test_delegation_vm.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oomtrace.repro import delegation
from oomtrace.repro.cgroups import Hierarchy
from oomtrace.repro.journal import UndoJournal

STAND_IN = """#!/bin/sh
echo "$@" >{log}
while [ "$1" != -- ]; do shift; done; shift
exec "$@"
"""


def _own_cgroup() -> str:
    lines = Path("/proc/self/cgroup").read_text().splitlines() if Path("/proc/self/cgroup").exists() else []
    return next((line[3:] for line in lines if line.startswith("0::")), "")


def _systemd_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "systemd-run").write_text(text)
    (tmp_path / "bin" / "systemd-run").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(delegation, "BOOTED", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.skipif(not _own_cgroup(), reason="needs cgroups v2")
def test_scope_lasts_as_long_as_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _systemd_run(tmp_path, monkeypatch, STAND_IN.format(log=tmp_path / "log"))
    hierarchy = Hierarchy(2, {"memory": tmp_path / "cgroup"})
    folder = hierarchy.folder("memory", _own_cgroup())
    folder.mkdir(parents=True)
    with UndoJournal() as journal:
        with delegation.scope("me", hierarchy, journal) as path:
            assert path == _own_cgroup()
            pid = int((folder / "waiting" / "cgroup.procs").read_text())
            assert Path(f"/proc/{pid}").exists()
        assert not Path(f"/proc/{pid}").exists()
        (folder / "waiting" / "cgroup.procs").unlink()  # a cgroup's files go with it
    assert not folder.exists()
    assert "--scope --collect --unit=me -p Delegate=yes" in (tmp_path / "log").read_text()


def test_root_where_systemd_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _systemd_run(tmp_path, monkeypatch, "#!/bin/sh\nexit 1\n")
    with UndoJournal() as journal, delegation.scope("me", Hierarchy(2, {"memory": tmp_path}), journal) as path:
        assert path == ""


def test_version_1_has_no_delegation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _systemd_run(tmp_path, monkeypatch, "#!/bin/sh\nexit 1\n")
    with UndoJournal() as journal, delegation.scope("me", Hierarchy(1, {"memory": tmp_path}), journal) as path:
        assert path == ""

"""What can be seen of processes and containers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from oomtrace.diagnosis import looks
from oomtrace.diagnosis.rows import INFO, OK


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


def test_all_can_be_seen(machine: Path) -> None:
    facts: dict[str, Any] = {}
    row = looks.look(facts, machine)
    assert (row.state, row.hint) == (OK, None)
    assert "executables, mappings" in row.found and "Docker" in row.found
    assert "slab caches and page cache by " in row.found and "vmalloc" not in row.found
    assert facts["witness"]["lacking"] == []


def test_what_is_denied_is_named(machine: Path) -> None:
    (machine / "proc/1/exe").unlink()
    row = looks.look({}, machine)
    assert row.state == INFO and "not: executables" in row.found
    assert row.hint is not None and "CAP_SYS_PTRACE" in row.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_runtime_s_folder_that_cannot_be_read(machine: Path) -> None:
    (machine / "var/lib/docker/containers").chmod(0)
    assert "not: containers of Docker" in looks.look({}, machine).found

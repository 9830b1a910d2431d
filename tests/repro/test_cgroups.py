"""Cgroups on a make-believe hierarchy."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from oomtrace.errors import OomtraceError
from oomtrace.repro import cgroups


def mounts(folder: Path, text: str) -> str:
    file = folder / "mounts"
    file.write_text(text)
    return str(file)


def test_v1_wins_where_it_has_the_memory_controller(tmp_path: Path) -> None:
    found = cgroups.find(mounts(tmp_path, (
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
        "cgroup /mnt/with\\040blank cgroup rw,memory 0 0\n"
        "cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n"
    )))
    assert found.version == 1
    assert found.roots == {"memory": Path("/mnt/with blank"), "cpuset": Path("/sys/fs/cgroup/cpuset")}
    assert found.file("/a/b", "memory.max") == Path("/mnt/with blank/a/b/memory.limit_in_bytes")
    with pytest.raises(OomtraceError, match="cgroup v1 has no memory.oom.group"):
        found.file("/a", "memory.oom.group")


def test_v2(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset memory pids\n")
    found = cgroups.find(mounts(tmp_path, f"cgroup2 {tmp_path} cgroup2 rw 0 0\n"))
    assert found.version == 2
    assert found.file("/a", "memory.max") == tmp_path / "a/memory.max"
    assert found.folders("/a", ["memory", "pids"]) == [tmp_path / "a"]


def test_no_memory_controller(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("pids\n")
    with pytest.raises(OomtraceError, match="no memory controller"):
        cgroups.find(mounts(tmp_path, f"cgroup2 {tmp_path} cgroup2 rw 0 0\n"))


@pytest.mark.parametrize("path", ["a", "/a/../b", "/./a", "/a/", "//a", "/a//b", "", "/a\nb", "/a\0", "/" + 256 * "a"])
def test_paths_stay_inside(path: str) -> None:
    with pytest.raises(ValueError):
        cgroups.split(path)


def test_parts_of_paths() -> None:
    assert cgroups.split("/") == ()
    assert cgroups.split("/a/b c") == ("a", "b c")


def test_parents_give_the_controllers(tmp_path: Path) -> None:
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    for folder, enabled in ((tmp_path, "memory"), (tmp_path / "a", "")):
        (folder / "cgroup.subtree_control").write_text(enabled)
    cgroups.enable(tmp_path, inner, ["memory", "pids"])
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+pids"
    assert (tmp_path / "a/cgroup.subtree_control").read_text() == "+memory +pids"


def test_v1_values() -> None:
    v1 = cgroups.Hierarchy(1, {"memory": Path("/m")})
    files = {"memory.max": "1000", "memory.swap.max": "500"}
    assert cgroups.value_for(v1, "memory.swap.max", "500", files) == "1500"
    assert cgroups.value_for(v1, "memory.max", "max", files) == "-1"
    assert cgroups.value_for(v1, "pids.max", "max", files) == "max"


def test_cpuset_v1_inherits(tmp_path: Path) -> None:
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "a", inner):
        for name in ("cpuset.cpus", "cpuset.mems"):
            (folder / name).write_text("0-3\n" if folder == tmp_path else "\n")
    cgroups.inherit_cpuset(tmp_path, inner)
    assert (inner / "cpuset.cpus").read_text() == "0-3\n"


def test_remove_kills_then_removes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a real hierarchy rmdir fails while processes are there, and takes the files with it when none are."""
    process = subprocess.Popen(["sleep", "600"])
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    (inner / "cgroup.procs").write_text(f"{process.pid}\n")

    def rmdir(folder: str) -> None:
        if process.poll() is None or any(entry.is_dir() for entry in os.scandir(folder)):
            raise OSError
        for file in os.listdir(folder):
            os.unlink(f"{folder}/{file}")
        before(folder)

    before = os.rmdir
    monkeypatch.setattr(os, "rmdir", rmdir)
    assert cgroups.remove(tmp_path / "a", 60)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "a").exists()


def test_remove_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/stays").write_text("")
    assert not cgroups.remove(tmp_path / "a", 0.05)

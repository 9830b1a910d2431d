"""Who processes are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oomtrace.model import Aspect, Cut, Identity, Look, Missed, Occasion
from oomtrace.witness import Budget, Reader
from oomtrace.witness.mounts import OwnMounts
from oomtrace.witness.people import mapped, units

from .machine import ROOT_MOUNT, Machine, fifo

INNER = "mnt:[4026532000]"
NOW = 100_000_000_000


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def look(machine: Machine, *pids: int, memcg: str = "/none") -> Look:
    return Reader(str(machine.root), clock=lambda: NOW).look(memcg, pids, Budget(10**12, 1 << 30))


def who(machine: Machine, pid: int) -> Identity:
    (found,) = look(machine, pid).tasks
    return found


def test_who(machine: Machine) -> None:
    machine.process(7, "bash")
    machine.process(158, "python3 (x) 1", ["python3", "-m", "etl.load", "--password=secret"], 7, uid=1000,
                    cgroup="/user.slice/user-1000.slice/session-3.scope", rss_kb=38000, ns_pids=(158, 4))
    found = who(machine, 158)
    assert (found.pid, found.comm) == (158, "python3 (x) 1")
    assert found.cmdline == ("python3", "-m", "etl.load", "--password=***") and found.masked == 1
    assert (found.exe, found.parent_pid, found.parent_comm) == ("/usr/bin/python3.11", 7, "bash")
    assert (found.start_ns, found.age_ns) == (1_000_000_000, NOW - 1_000_000_000)
    assert (found.uid, found.user, found.user_source) == (1000, "shop", "/etc/passwd")
    assert found.ns_pids == (158, 4)
    assert (found.unit, found.slice, found.session) == ("session-3.scope", "user-1000.slice", "3")
    assert (found.rss_kb, found.login_user, found.source) == (38000, None, "/proc/158")


def test_a_user_of_a_container(machine: Machine, tmp_path: Path) -> None:
    """By the container's own list: uid 1000 is another one there."""
    machine.file("images/etl/etc/passwd", "root:x:0:0::/:/bin/sh\netl:x:1000:1000::/:/bin/sh\n")
    machine.process(158, uid=1000, ns=INNER, rootfs=tmp_path / "images/etl")
    assert (who(machine, 158).user, who(machine, 158).user_source) == ("etl", "/proc/158/root/etc/passwd")


def test_a_user_of_a_user_namespace(machine: Machine, tmp_path: Path) -> None:
    machine.file("images/etl/etc/passwd", "root:x:0:0::/:/bin/sh\n")
    machine.process(158, uid=100000, ns=INNER, rootfs=tmp_path / "images/etl", uid_map="0 100000 65536\n")
    assert (who(machine, 158).uid, who(machine, 158).user) == (100000, "root")


def test_no_way_out_of_a_containers_root(machine: Machine, tmp_path: Path) -> None:
    """Neither by an absolute link nor by ".."."""
    machine.file("images/etl/readme", "")
    machine.link("images/etl/etc", "../../../../../../../../../../etc")
    machine.process(158, uid=0, ns=INNER, rootfs=tmp_path / "images/etl")
    machine.file("images/two/readme", "")
    machine.link("images/two/etc/passwd", "/etc/passwd")
    machine.process(159, uid=0, ns=INNER + "2", rootfs=tmp_path / "images/two")
    machine.file("images/three/secret/passwd", "inside:x:0:0::/:/bin/sh\n")
    machine.link("images/three/etc", "../../secret")  # ".." of the root is the root
    machine.process(160, uid=0, ns=INNER + "3", rootfs=tmp_path / "images/three")
    assert [task.user for task in look(machine, 158, 159, 160).tasks] == [None, None, "inside"]


@pytest.mark.parametrize("mounts", [
    "22 1 0:60 / / rw - fuse.stuck stuck rw\n",
    ROOT_MOUNT + "23 22 0:60 / /etc rw - fuse.stuck stuck rw\n",
    ROOT_MOUNT + "23 22 0:60 / /etc/passwd rw - fuse stuck rw\n",
    ROOT_MOUNT + "23 22 0:60 / /etc rw - nfs4 server:/etc rw\n",
    "22 1 0:60 / / rw - newfs stuck rw\n",
    "",
])
def test_what_may_hang_is_not_touched(machine: Machine, tmp_path: Path, mounts: str) -> None:
    machine.file("images/etl/etc/passwd", "etl:x:0:0::/:/bin/sh\n")
    machine.process(158, ns=INNER, rootfs=tmp_path / "images/etl", mounts=mounts)
    found = look(machine, 158)
    assert found.tasks[0].user is None
    assert Cut(Aspect.WHO, Missed.FOREIGN, "/etc/passwd of 158") in found.cut


def test_an_overlay_whose_layers_may_hang(tmp_path: Path) -> None:
    machine = Machine(tmp_path, ROOT_MOUNT + "40 22 0:60 / /snapshots rw - fuse.lazy lazy rw\n")
    machine.file("images/etl/etc/passwd", "etl:x:0:0::/:/bin/sh\n")
    for pid, layers in ((158, "/var/a:/snapshots/b"), (159, "/var/a:/var/b")):
        mounts = f"22 1 0:61 / / rw - overlay overlay rw,lowerdir={layers},upperdir=/var/u,workdir=/var/w\n"
        machine.process(pid, ns=f"{INNER}{pid}", rootfs=tmp_path / "images/etl", mounts=mounts)
    assert [task.user for task in look(machine, 158, 159).tasks] == [None, "etl"]


def test_a_fifo_is_not_waited_for(machine: Machine, tmp_path: Path) -> None:
    fifo(tmp_path / "images/etl/etc/passwd")
    machine.process(158, ns=INNER, rootfs=tmp_path / "images/etl")
    assert who(machine, 158).user is None


def test_processes_that_have_gone(machine: Machine) -> None:
    machine.process(158)
    found = look(machine, 9999, 158)
    assert [task.pid for task in found.tasks] == [158]
    assert Cut(Aspect.WHO, Missed.GONE, "process 9999") in found.cut


def test_without_command_lines(machine: Machine) -> None:
    machine.process(158, cmdline=["python3", "x"])
    found = Reader(str(machine.root), cmdline=False).look("/none", [158]).tasks[0]
    assert (found.cmdline, found.masked) == (None, None)


def test_a_machine_out_of_memory_is_not_made_to_wait_for_command_lines(machine: Machine) -> None:
    """To read one takes a page, while the process's own memory cannot be freed (get_mm_cmdline, fs/proc/base.c)."""
    machine.process(158, cgroup="/etl", cmdline=["python3", "x"])
    spared = Cut(Aspect.WHO, Missed.SPARED, "command lines")
    for memcg, occasion, cmdline in ((None, Occasion.OOM, None), (None, Occasion.RECLAIM, ("python3", "x")),
                                     ("/etl", Occasion.OOM, ("python3", "x"))):
        found = Reader(str(machine.root)).look(memcg, [158], occasion=occasion)
        assert found.tasks[0].cmdline == cmdline and (spared in found.cut) == (cmdline is None)
    unasked = Reader(str(machine.root), cmdline=False).look(None, [158], occasion=Occasion.OOM)
    assert spared not in unasked.cut


def test_the_largest_of_a_memcg_follow_those_asked_for(machine: Machine) -> None:
    for pid in range(200, 220):
        machine.process(pid, cgroup=f"/etl/{pid % 2}", rss_kb=1000 * (pid - 190))
    machine.process(158, cgroup="/elsewhere")
    found = look(machine, 158, 205, memcg="/etl")
    assert [task.pid for task in found.tasks] == [158, 205, *range(219, 209, -1)]


def test_the_whole_machine(machine: Machine) -> None:
    machine.process(158, cgroup="/a")
    machine.process(159, cgroup="/b", rss_kb=5000)
    found = Reader(str(machine.root)).look(None, budget=Budget(10**12, 1 << 30))
    assert [task.pid for task in found.tasks] == [159, 158]


def test_a_budget_that_is_used_up(machine: Machine) -> None:
    for pid in range(200, 220):
        machine.process(pid, cgroup="/etl")
    found = Reader(str(machine.root)).look("/etl", [200], Budget(cpu_ns=1))
    assert [task.pid for task in found.tasks] == [200]
    assert Cut(Aspect.WHO, Missed.BUDGET, "the largest processes") in found.cut


def test_mapped() -> None:
    two = "0 1000 1\n1 100000 65536\n"
    assert [mapped(uid, two) for uid in (1000, 100000, 165535, 165536, 0)] == [0, 1, 65536, None, None]


def test_units() -> None:
    assert units("/system.slice/app.service/sub") == ("app.service", "system.slice", None)
    assert units("/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope") == ("x.scope", "app.slice", None)
    assert units("/docker/0123") == (None, None, None)


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/dev/fuse"), reason="needs root and /dev/fuse")
def test_a_root_that_does_hang() -> None:
    """A process whose root is a FUSE file system that answers no lookup, for real."""
    script = "import dying, time; dying.until = print; dying.stuck(); print('stuck', flush=True); time.sleep(600)"
    folder = Path(__file__).parents[1] / "guest"
    with subprocess.Popen([sys.executable, "-c", script], cwd=folder, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            said = [process.stdout.readline(), process.stdout.readline()]
            if said[1] != b"stuck\n":
                pytest.skip(f"no FUSE here: {said}")
            found = Reader().look("/none", [process.pid], Budget(10**12, 1 << 30))
        finally:
            process.kill()
    assert [task.user for task in found.tasks] == [None] and found.tasks[0].cmdline
    assert Cut(Aspect.WHO, Missed.FOREIGN, f"/etc/passwd of {process.pid}") in found.cut
    assert (found.took_ns or 0) < 60_000_000_000


def test_this_process() -> None:
    """Of the machine that this runs on."""
    (found,) = Reader().look("/none", [os.getpid()], Budget(10**12, 1 << 30)).tasks
    assert found.pid == os.getpid() and found.cmdline and found.parent_pid == os.getppid()
    assert found.age_ns is not None and 0 <= found.age_ns < 24 * 3600 * 10**9


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts something: needs root")
def test_a_mount_that_comes_later_is_known(tmp_path: Path) -> None:
    own = OwnMounts("/proc/self/mountinfo")
    if subprocess.run(["mount", "-t", "tmpfs", "none", str(tmp_path)], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        assert own.at(str(tmp_path)) is None
        own.refresh()
        mount = own.at(str(tmp_path))
        assert mount is not None and mount.fs_type == "tmpfs"
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)

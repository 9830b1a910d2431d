"""Real VMs: each kernel of the matrix does what a run may ask of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vm import boot, matrix
from vm.errors import STATUS_LOST
from vm.payload import REPOSITORY
from vm.spec import RunSpec

pytestmark = pytest.mark.vm

EVERYTHING = """
set -e
python3 -c 'import click, yaml, ctypes; ctypes.CDLL("libdw.so.1")'
if python3 -c 'import bcc' 2>/dev/null; then exit 3; fi
test ! -e /lib/modules/$(uname -r)/build
test -r /sys/kernel/btf/vmlinux
test -d oomtrace -a "$PWD" = "$HOME/oomtrace"
mountpoint -q /sys/kernel/debug; mountpoint -q /sys/kernel/tracing; mountpoint -q /sys/fs/bpf
echo "swap $(awk 'NR == 2 {print $3}' /proc/swaps)"
echo "nodes $(ls -d /sys/devices/system/node/node[0-9]* | wc -l)"
echo "adj $(cat /proc/self/oom_score_adj) $(adj0 cat /proc/self/oom_score_adj)"
echo "controllers $(cat /sys/fs/cgroup/cgroup.subtree_control)"
mkdir /sys/fs/cgroup/foo
echo 20M >/sys/fs/cgroup/foo/memory.max
echo 0 >/sys/fs/cgroup/foo/memory.swap.max
set +e
adj0 sh -c 'echo $$ >/sys/fs/cgroup/foo/cgroup.procs; exec tail /dev/zero'
echo "victim $?"
mkdir -p /srv/kept/sub
dmesg >/srv/kept/sub/log
echo "to stderr" >&2
yes & sleep 1000 &
exit 42
"""


@pytest.mark.parametrize("kernel", matrix.names())
def test_everything_in_one_boot(kernel: str, tmp_path: Path) -> None:
    spec = RunSpec(
        kernel=kernel, memory=512 << 20, swap=64 << 20, numa=2, get=[("/srv/kept", tmp_path / "kept")])
    result = boot.check(boot.run(spec, EVERYTHING))
    assert result.status == 42, result.stderr.decode()
    lines = result.stdout.decode().splitlines()
    assert lines[:4] == ["swap 65532", "nodes 2", "adj -1000 0", "controllers cpuset memory pids"]
    assert lines[4] == "victim 137"
    assert "to stderr" in result.stderr.decode()
    assert "invoked oom-killer" in (tmp_path / "kept" / "sub" / "log").read_text()
    assert "oom-killer" not in result.console


@pytest.mark.parametrize("kernel", [kernel.name for kernel in matrix.KERNELS if kernel.cgroup_v1])
def test_cgroup_v1(kernel: str) -> None:
    command = """
    mkdir -p /sys/fs/cgroup/memory/a/b /sys/fs/cgroup/cpuset/a /sys/fs/cgroup/pids/a
    cat /sys/fs/cgroup/memory/a/b/memory.use_hierarchy
    cat /sys/fs/cgroup/unified/cgroup.controllers | grep -c memory
    """
    result = boot.check(boot.run(RunSpec(kernel=kernel, cgroup="v1", cpus=1), command))
    assert result.stdout == b"1\n0\n"


def test_panic() -> None:
    result = boot.run(RunSpec(cpus=1), "echo before; sleep 1; echo c >/proc/sysrq-trigger; sleep 60")
    assert result.exit_status == STATUS_LOST and result.stdout == b"before\n"
    assert result.lost.startswith("Kernel panic") and "sysrq_handle_crash" in result.console


def test_time_out_shows_blocked_tasks() -> None:
    """The time counts from QEMU's start: on a busy machine it is over before the guest has said anything."""
    for timeout in (15, 30, 60, 120):
        result = boot.run(RunSpec(timeout=timeout), "echo before; sleep 1000")
        assert result.exit_status == STATUS_LOST and result.lost == f"no end after {timeout} s"
        if result.stdout:
            break
    assert result.stdout == b"before\n", boot.console_tail(result)
    assert "sysrq: Show Blocked State" in result.console and "Mem-Info:" in result.console, boot.console_tail(result)


def test_the_harness_outlives_a_global_oom() -> None:
    result = boot.check(boot.run(RunSpec(memory=256 << 20, cpus=1), "adj0 tail /dev/zero; echo $?; exit 5"))
    assert (result.status, result.stdout) == (5, b"137\n")


def test_counted_instructions_are_a_clock() -> None:
    command = "python3 -c 'import time; a = time.monotonic(); time.sleep(1); print(time.monotonic() - a < 2)'; nproc"
    result = boot.check(boot.run(RunSpec(icount=True), command))
    assert result.stdout == b"True\n1\n"


def test_shell_is_a_prompt_on_this_terminal() -> None:
    """The command first, then what is typed; its status is that of the shell."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "vm", "run", "--shell", "--cpus", "1", "--timeout", "200", "--", "cd", "vm"]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    seen = b""

    def until(wanted: bytes) -> None:
        nonlocal seen
        before = len(seen)
        while wanted not in seen[before:]:
            seen += os.read(ours, 4096)

    try:
        until(b"~/oomtrace/vm# ")
        # What says 42 is in the foreground then; between two commands bash itself may take Ctrl-C, and go on.
        os.write(ours, b"tty; sh -c 'echo $((6 * 7)); exec sleep 1000'\n")
        until(b"42\r\n")
        os.write(ours, b"\x03")  # Ctrl-C is the guest's
        until(b"~/oomtrace/vm# ")
        os.write(ours, b"exit 3\n")
        assert process.wait(60) == 3
    finally:
        print(seen.decode(errors="replace"))
        process.terminate()
        process.wait()
        os.close(ours)
    assert b"--- status 0\r\n" in seen and b"/dev/ttyS0\r\n" in seen

"""vm.panic_on_oom: what is on the disk after the panic, and what the console has."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vm import boot
from vm.spec import RunSpec

DISK_BYTES = 64 << 20


def contents(disk: Path, to: Path) -> list[Path]:
    """The captures on it. Its journal is replayed first, as a mount would."""
    subprocess.run(["/sbin/e2fsck", "-fy", str(disk)], capture_output=True, check=False)
    subprocess.run(["/sbin/debugfs", "-R", f"rdump / {to}", str(disk)], capture_output=True, check=True)
    return sorted(to.glob("*.oom"))


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("setting", ["1", "2"], ids=["machine", "memcg"])
def test_what_a_panic_leaves(tmp_path: Path, setting: str) -> None:
    """1: as soon as the machine is out of memory. 2: as soon as a memory cgroup is, with a console as slow as a serial
    line of 9,600 baud, that prints a line in 83 ms."""
    slow = setting == "2"
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-F", str(disk)], check=True)
    spec = RunSpec(kernel="6.1", memory=256 << 20, timeout=300, disk=disk, append="loglevel=7")
    result = boot.run(spec, ["sh", "tests/guest/panic.sh", setting, "83" if slow else "0"])
    assert result.status is None and "Kernel panic - not syncing: Out of memory" in result.lost, result.lost
    (tmp_path / "found").mkdir()
    captures = contents(disk, tmp_path / "found")
    console = tmp_path / "console"
    console.write_text(result.console)
    print([capture.name for capture in captures], result.stdout.decode(), result.console)
    assert explained(captures[0]).count("killed tail") == 1, "the OOM before has a capture"
    assert "the kernel panicked" in explained(console)
    if not slow:
        assert len(captures) == 1, "with no memory nothing can be written"
        return
    assert len(captures) == 2, "printing takes ten seconds: meanwhile the capture is written, again and again"
    assert "/small reached its memory limit" in explained(captures[1])
    assert "the kernel panicked" in explained(captures[1])


def explained(source: Path) -> str:
    """What ``oomtrace read`` says of it, in one line."""
    words = ["python3", "-m", "oomtrace", "read", "--format", "why", str(source)]
    read = subprocess.run(words, capture_output=True, text=True, check=False)
    print(read.stdout, read.stderr)
    return " ".join(read.stdout.split())

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
@pytest.mark.parametrize("setting", ["1", "2"])
def test_what_a_panic_leaves(tmp_path: Path, setting: str) -> None:
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-F", str(disk)], check=True)
    # The console shows all that is printed, as a server's that keeps it: that takes time, too.
    spec = RunSpec(kernel="6.1", memory=256 << 20, timeout=300, disk=disk, append="loglevel=7")
    result = boot.run(spec, ["sh", "tests/guest/panic.sh", setting])
    assert result.status is None and "Kernel panic - not syncing: Out of memory" in result.lost, result.lost
    (tmp_path / "found").mkdir()
    captures = contents(disk, tmp_path / "found")
    print([capture.name for capture in captures], result.stdout.decode())
    assert len(captures) == 2, "of the OOM before, and of what was known when the kernel panicked"
    console = tmp_path / "console"
    console.write_text(result.console)
    for source, said in ((captures[0], "killed tail"), (console, "the kernel panicked")):
        words = ["python3", "-m", "oomtrace", "read", "--format", "why", str(source)]
        read = subprocess.run(words, capture_output=True, text=True, check=False)
        print(read.stdout, read.stderr)
        assert said in " ".join(read.stdout.split())

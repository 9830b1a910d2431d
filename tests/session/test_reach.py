"""Files of processes: opened where nothing can hang."""

from __future__ import annotations

import os
from pathlib import Path

from oomtrace.session.reach import SafeReach
from tests.witness.machine import ROOT_MOUNT, Machine

FUSE = "50 22 0:60 / {point} rw - fuse.stuck stuck rw\n"


def machine(tmp_path: Path, point: str) -> SafeReach:
    """A process with a file system that may hang at a place."""
    mounts = ROOT_MOUNT + FUSE.format(point=point) if point != "/" else FUSE.format(point="/")
    found = Machine(tmp_path / "machine")
    found.process(158, rootfs=tmp_path / "root", mounts=mounts)
    for path in ("root/usr/bin/hog", "root/net/hog"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("x")
    (tmp_path / "root/usr/bin/link").symlink_to("/net/hog")
    return SafeReach(str(tmp_path / "machine"))


def is_opened(reach: SafeReach, path: str, follow: bool = True) -> bool:
    file = reach.opened(158, path, follow)
    if file is not None:
        os.close(file)
    return file is not None


def test_a_path_that_leads_to_what_may_hang(tmp_path: Path) -> None:
    reach = machine(tmp_path, "/net")
    assert is_opened(reach, "/usr/bin/hog")
    assert not is_opened(reach, "/net/hog")
    assert not is_opened(reach, "/usr/bin/link")
    assert not is_opened(reach, "/usr/bin/no")
    assert not is_opened(reach, "/usr/bin")


def test_a_link_that_is_not_followed(tmp_path: Path) -> None:
    reach = machine(tmp_path, "/srv")
    assert is_opened(reach, "/usr/bin/link")
    assert not is_opened(reach, "/usr/bin/link", follow=False)


def test_a_root_that_may_hang(tmp_path: Path) -> None:
    assert not is_opened(machine(tmp_path, "/"), "/usr/bin/hog")


def test_mapped_files_by_their_devices(tmp_path: Path) -> None:
    reach = machine(tmp_path, "/net")
    assert reach.is_safe(158, "fe:00")  # 254:0, ext4
    assert not reach.is_safe(158, "00:3c")  # 0:60
    assert not reach.is_safe(158, "00:3d")  # nobody knows what that is
    assert reach.is_safe(158, "08:01")  # a disk
    assert reach.is_safe(999, "fe:00")  # of a process that has gone, by this machine's mounts

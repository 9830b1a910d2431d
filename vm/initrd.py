"""The initramfs of an image: busybox and the few modules that lead to the root file system, and nothing else.

Debian's own initramfs runs udev, which is most of a boot under emulation. What the guest does is not in here
(see `vm.guest`): those scripts are appended at each run, so that a change to them rebuilds no image.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from .cpio import Archive
from .errors import VmError

MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "virtio_console")
"""Loaded in this order, dependencies first. One that is built in, or that the kernel has not, is passed over;
crc32c_generic is wanted by ext4 at run time only, so that no dependency names it."""


def build(root: Path) -> bytes:
    """The initramfs for the one kernel under the root directory `root`, uncompressed."""
    archive = Archive()
    archive.file("bin/busybox", _busybox(root), 0o755)
    for directory in ("dev", "proc", "newroot"):
        archive.directory(directory)
    modules = module_directory(root)
    for number, path in enumerate(module_order(modules)):
        archive.file(f"modules/{number:02d}-{module_name(path)}.ko", read_module(modules / path))
    return archive.pack()


def module_directory(root: Path) -> Path:
    """``/lib/modules/RELEASE`` under `root`; VmError unless there is exactly one."""
    found = [path for path in (root / "usr/lib/modules", root / "lib/modules") if path.is_dir()]
    releases = sorted({release.resolve() for path in found for release in path.iterdir() if release.is_dir()})
    if len(releases) != 1:
        raise VmError(f"{len(releases)} kernels in the image where one is expected: {[r.name for r in releases]}")
    return releases[0]


def module_order(modules: Path) -> list[str]:
    """Paths, relative to `modules`, of what to load, in order."""
    dependencies = dict(_dependencies((modules / "modules.dep").read_text()))
    paths = {module_name(path): path for path in dependencies}
    order: list[str] = []
    for name in MODULES:
        if name in paths:
            # modules.dep lists what a module needs, all levels of it, what is needed first standing last.
            for path in [*reversed(dependencies[paths[name]]), paths[name]]:
                if path not in order:
                    order.append(path)
    return order


def _dependencies(modules_dep: str) -> Iterator[tuple[str, list[str]]]:
    for line in modules_dep.splitlines():
        path, _, needs = line.partition(":")
        yield path, needs.split()


def module_name(path: str) -> str:
    """``kernel/fs/ext4/ext4.ko.xz`` → ``ext4``; hyphens become underscores as in lsmod."""
    return PurePosixPath(path).name.partition(".")[0].replace("-", "_")


def read_module(path: Path) -> bytes:
    """The module's ELF file, decompressed."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix != ".ko":
        raise VmError(f"cannot decompress the module {path.name}")
    return path.read_bytes()


def _busybox(root: Path) -> bytes:
    """busybox-static's program: bullseye and bookworm keep it in /bin, later suites in /usr/bin."""
    for path in (root / "usr/bin/busybox", root / "bin/busybox"):
        if path.is_file():
            return path.read_bytes()
    raise VmError("no busybox in the image", "the recipe must include busybox-static")

"""Images on disk: where they are, whether they are built, and building them.

An image is a folder ``KERNEL-VARIANT-KEY`` in the cache with a kernel, an initramfs and a root file system.
It appears by a rename once it is whole, so what is there can be used without asking further.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from . import compiled, host, initrd
from .errors import VmError
from .progress import run_quietly, say
from .recipe import FOREIGN_COPIES, FOREIGN_FOLDERS, FREE_MIB, MKE2FS, REMOVED, Recipe

MOST_KEPT = 32
"""Files of kept programs: some for each kernel. All of them go into each guest."""


@dataclass(frozen=True)
class Image:
    """A built image."""

    path: Path

    @property
    def kernel(self) -> Path:
        """The kernel."""
        return self.path / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initramfs, uncompressed; further cpio archives may be appended to a copy."""
        return self.path / "initrd"

    @property
    def root(self) -> Path:
        """The root file system: a raw, sparse ext4."""
        return self.path / "root.img"

    @property
    def release(self) -> str:
        """What ``uname -r`` says in the guest."""
        return str(json.loads((self.path / "image.json").read_text())["release"])

    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_blocks * 512 for path in self.path.iterdir())


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/oomtrace/vm``, made if it is not there."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    folder = (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "oomtrace" / "vm"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def kept_folder() -> Path:
    """Where the programs that fit a kernel are kept for its next boot: to fit them takes as long as a later start, and
    to compile them as long as booting twice. Their names have a hash of the sources; the oldest of many are removed."""
    folder = cache_folder() / "kept"
    folder.mkdir(exist_ok=True)
    aged = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # who else runs a guest may have removed it
            aged.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(aged)[:-MOST_KEPT]:
        path.unlink(missing_ok=True)
    return folder


def find(recipe: Recipe) -> Optional[Image]:
    """The image of `recipe` as it stands today, or None if it is to be built."""
    path = cache_folder() / f"{recipe.name}-{recipe.key}"
    return Image(path) if path.is_dir() else None


def ensure(recipe: Recipe) -> Image:
    """The image of `recipe`, built now if need be. Two callers at once build it once."""
    image = find(recipe)
    if image is not None:
        return image
    with _lock(recipe):
        return find(recipe) or _build(recipe)


@contextmanager
def _lock(recipe: Recipe) -> Iterator[None]:
    """Hold the right to build images of this name; wait for whoever has it."""
    with open(cache_folder() / f"{recipe.name}.lock", "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{recipe.name} is being built by another process: waiting …")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(recipe: Recipe) -> Image:
    """Build under a temporary name and rename; remove what earlier recipes and broken builds left."""
    host.ensure_builder()
    cache = cache_folder()
    start = time.monotonic()
    _remove(cache.glob(f".{recipe.name}-*"))
    work = cache / f".{recipe.name}-{os.getpid()}"
    work.mkdir()
    try:
        _build_in(work, recipe)
        final = cache / f"{recipe.name}-{recipe.key}"
        stale = list(cache.glob(f"{recipe.name}-*"))
        work.rename(final)
        _remove(stale)
    finally:
        _remove([work])
    image = Image(final)
    took = time.monotonic() - start
    say(f"image {recipe.name} ready: kernel {image.release}, {image.size() >> 20} MiB, built in {took:.0f} s")
    return image


def _build_in(work: Path, recipe: Recipe) -> None:
    """Fill `work` with the files of an image."""
    root = work / "root"
    run_quietly(
        f"installing Debian {recipe.kernel.suite} for {recipe.name}",
        host.as_root(recipe.mmdebstrap(root, host.mirror(), host.KEYRING, host.apt_options())),
        "is the Debian mirror reachable? OOMTRACE_VM_MIRROR overrides the one of this machine's apt",
    )
    if recipe.kernel.compiled:
        compiled.build(recipe.kernel.name, root, work)
    release = initrd.module_directory(root).name
    if not recipe.kernel.arch.native:
        _configure(root, release)
    shutil.copyfile(_kernel(root, release), work / "vmlinuz")
    (work / "initrd").write_bytes(initrd.build(root))
    _remove([root / path for path in REMOVED])
    used_mib = int(subprocess.run(host.as_root(["du", "-sm", str(root)]), stdout=subprocess.PIPE, check=True)
                   .stdout.split()[0])
    image = work / "root.img"
    run_quietly(
        f"making the file system of {recipe.name}",
        host.as_root([host.program("mke2fs"), *MKE2FS, "-d", str(root), str(image), f"{used_mib + FREE_MIB}M"]),
    )
    if os.geteuid() != 0:
        subprocess.run(host.as_root(["chown", f"{os.getuid()}:{os.getgid()}", str(image)]), check=True)
    _remove([root])
    meta = {"release": release, "packages": recipe.packages(), "suite": recipe.kernel.suite}
    (work / "image.json").write_text(json.dumps(meta, indent=1) + "\n")


def _configure(root: Path, release: str) -> None:
    """What the packages' own scripts would have done, had they been able to run here."""
    commands = [["cp", str(root / source), str(root / target)] for source, target in FOREIGN_COPIES.items()]
    commands.append(["mkdir", "-p", *(str(root / folder) for folder in FOREIGN_FOLDERS)])
    commands.append([host.program("depmod"), "-b", str(root), release])
    commands.append([host.program("ldconfig"), "-r", str(root)])
    for command in commands:
        subprocess.run(host.as_root(command), check=True)


def _kernel(root: Path, release: str) -> Path:
    """The kernel itself. From 7.x on the package has it beside the modules, and a script copies it to /boot."""
    places = (root / "boot" / f"vmlinuz-{release}", root / "usr/lib/modules" / release / "vmlinuz")
    return next((path for path in places if path.is_file()), places[0])


def _remove(paths: Iterable[Path]) -> None:
    """Delete files and trees, those of root included."""
    for path in paths:
        if not path.is_symlink() and not path.exists():
            continue
        if os.geteuid() == 0 and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif subprocess.run(host.as_root(["rm", "-rf", "--one-file-system", str(path)]), check=False).returncode:
            raise VmError(f"cannot remove {path}")

"""A kernel that no package has: compiled on this machine, from a package of Debian's that has the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from . import host
from .progress import run_quietly, say

CONFIGS = Path(__file__).resolve().parent / "kernels"
SOURCES = "usr/src"
"""Where the package has its archive, in the tree of an image."""


def config(name: str) -> Path:
    """The configuration of a kernel of the matrix: what differs from `make allnoconfig`."""
    return CONFIGS / f"{name}.config"


def build(name: str, root: Path, work: Path) -> None:
    """Compile the kernel whose sources are in the tree `root`, and put it beside its modules, of which it has none, as
    a package would. Takes some 15 minutes of CPU time. Raises VmError."""
    host.ensure_compiler()
    archive, = (root / SOURCES).glob("linux-source-*.tar.xz")
    tree = work / "source"
    tree.mkdir()
    run_quietly(f"unpacking {archive.name}", ["tar", "-xf", str(archive), "-C", str(tree), "--strip-components=1"])
    make = ["make", "-C", str(tree), f"KCONFIG_ALLCONFIG={config(name)}"]
    run_quietly("configuring it", [*make, "allnoconfig"])
    _say_refused(config(name), tree / ".config")
    run_quietly(f"compiling {name}", ["nice", *make, f"-j{len(os.sched_getaffinity(0))}", "bzImage"])
    release = subprocess.run([*make, "-s", "kernelrelease"], stdout=subprocess.PIPE, text=True, check=True).stdout
    modules = root / "usr/lib/modules" / release.split()[-1]
    modules.mkdir(parents=True)
    (modules / "modules.dep").write_text("")
    shutil.copyfile(tree / "arch/x86/boot/bzImage", modules / "vmlinuz")
    shutil.rmtree(tree)
    archive.unlink()


def _say_refused(wanted: Path, made: Path) -> None:
    """A setting that another one excludes is dropped by the kernel's make without a word."""
    lines = set(made.read_text().splitlines())
    for line in wanted.read_text().splitlines():
        if line.startswith("CONFIG_") and not line.endswith("=n") and line not in lines:
            say(f"the configuration has no {line}")

"""What the harness inside the guest is told and made of: the part of the initramfs that is new at each run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Union

from .cpio import Archive
from .matrix import SYSTEMD_VARIANTS
from .spec import RunSpec

SCRIPTS = Path(__file__).resolve().parent / "guest"

Command = Union[str, Sequence[str]]
"""A line for the guest's shell, or the words of one command."""


def initramfs(spec: RunSpec, command: Command, token: str) -> bytes:
    """The cpio archive to append to the image's: scripts, configuration, the command.

    `token` (hexadecimal) ends each stream that leaves the guest.
    """
    archive = Archive()
    archive.file("init", (SCRIPTS / "init.sh").read_bytes(), 0o755)
    for name in ("harness.sh", "adj0", "oomtrace"):
        archive.file(f"vm/{name}", (SCRIPTS / name).read_bytes(), 0o755)
    archive.file("vm/config", config(spec, token))
    archive.file("vm/command", script(spec, command))
    archive.file("vm/get", "".join(f"{guest}\n" for guest, _ in spec.get))
    return archive.pack()


def config(spec: RunSpec, token: str) -> str:
    """Variables that harness.sh reads."""
    variables = {
        "VM_CGROUP": spec.cgroup,
        "VM_INIT": "systemd" if spec.variant in SYSTEMD_VARIANTS else "",
        "VM_SWAP": "1" if spec.swap else "",
        "VM_END": "\\000" + end_text(token),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


def end_text(token: str) -> str:
    """The end mark without the NUL before it."""
    return f"vm-end-{token}"


def end_mark(token: str) -> bytes:
    """What ends each stream."""
    return b"\0" + end_text(token).encode()


def script(spec: RunSpec, command: Command) -> str:
    """The command as a shell script."""
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in spec.environment.items())
    if isinstance(command, str):
        return f"{exports}{command}\n"
    return f"{exports}exec {' '.join(map(shlex.quote, command))}\n"

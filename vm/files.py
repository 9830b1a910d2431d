"""Files that come out of a guest: one tar, its members laid where they were asked for."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, BinaryIO, Optional

from .errors import VmError


def extract(archive: BinaryIO, wanted: Sequence[tuple[str, Path]]) -> None:
    """Lay each guest path of `wanted`, a file or a folder with all in it, at its path here.

    Members that nobody asked for are passed over, whatever the archive says. VmError if the archive is broken.
    """
    archive.seek(0, 2)
    if not archive.tell():
        return
    archive.seek(0)
    try:
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            for member in tar:
                for guest, here in wanted:
                    target = destination(member.name, guest, here)
                    if target is not None:
                        _lay(tar, member, target)
    except tarfile.TarError as error:
        raise VmError(f"the files from the guest are not a tar: {error}") from error


def destination(member: str, guest: str, here: Path) -> Optional[Path]:
    """Where `member` goes if `guest` was asked to be at `here`; None if it is no part of it."""
    name, asked = member.strip("/"), guest.strip("/")
    if name == asked:
        return here
    below = name[len(asked):].strip("/")
    if not name.startswith(asked + "/") or ".." in below.split("/"):
        return None
    return here / below


def _lay(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Write a file, make a folder; nothing else comes, since the guest follows symbolic links."""
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
    elif member.isfile():
        target.parent.mkdir(parents=True, exist_ok=True)
        source = tar.extractfile(member)
        assert source is not None
        with source:
            _write(source, target)


def _write(source: IO[bytes], target: Path) -> None:
    """All of it at once, where a file can be: somebody may read what was there, as other guests that begin do."""
    if target.exists() and not target.is_file():  # /dev/stdout
        with target.open("wb") as stream:
            shutil.copyfileobj(source, stream)
        return
    target = target.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with part.open("wb") as stream:
            shutil.copyfileobj(source, stream)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise

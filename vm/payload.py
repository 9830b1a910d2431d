"""The checkout, packed to be carried into a guest."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Optional

REPOSITORY = Path(__file__).resolve().parent.parent
UNWANTED = {"__pycache__", "build", "dist", ".venv"}


def write(
    stream: BinaryIO, repository: Path = REPOSITORY, kept: Optional[Path] = None, put: Sequence[Path] = ()
) -> None:
    """Write the files of `repository` to `stream` as a tar with all names under ``oomtrace/``, owner root; those of
    `kept`, if it is given, under ``kept/``; and each of `put` under ``put/``."""
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in files(repository):
            with suppress(FileNotFoundError):  # gone since they were listed: a file of a moment
                archive.add(repository / name, f"oomtrace/{name}", recursive=False, filter=_as_root)
        if kept is not None:
            kept.mkdir(parents=True, exist_ok=True)
            _add_kept(archive, kept)
        for path in put:
            archive.add(path, f"put/{path.resolve().name}", filter=_as_root)


def _add_kept(archive: tarfile.TarFile, kept: Path) -> None:
    """Its files as they are: those of other guests, which are at their end, may come and take the place of some."""
    archive.add(kept, "kept", recursive=False, filter=_as_root)
    for path in sorted(kept.iterdir()):
        if path.name.startswith("."):  # on its way to be one
            continue
        with suppress(FileNotFoundError), path.open("rb") as stream:
            archive.addfile(_as_root(archive.gettarinfo(arcname=f"kept/{path.name}", fileobj=stream)), stream)


def files(repository: Path) -> list[str]:
    """What git tracks or would track if asked to, of what is there; without git, all but caches and builds."""
    names = _git_files(repository)
    if names is None:
        names = list(_walk(repository))
    return sorted(name for name in names if (repository / name).is_symlink() or (repository / name).is_file())


def _git_files(repository: Path) -> Optional[list[str]]:
    """Tracked and untracked, not ignored; None where this is no git checkout (an unpacked sdist)."""
    command = ["git", "-c", f"safe.directory={repository}", "-C", str(repository)]
    command += ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return [name for name in listing.decode("utf-8", "surrogateescape").split("\0") if name]


def _walk(folder: Path, prefix: str = "") -> Iterator[str]:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            if path.name not in UNWANTED and not path.name.startswith("."):
                yield from _walk(path, f"{prefix}{path.name}/")
        else:
            yield prefix + path.name


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode &= ~0o022
    return member

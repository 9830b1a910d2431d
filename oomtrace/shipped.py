"""Files that are shipped with the code, read from wherever it runs: an installation, a checkout, or one .pyz file.

In an installation and in a .pyz, what a checkout has at its top (``bpf/``, ``man/``, ``systemd/``) lies in the package.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

_PACKAGE = Path(__file__).resolve().parent
_FOLDERS = (_PACKAGE, _PACKAGE.parent)


def read(name: str) -> bytes:
    """The file of that name, such as ``bpf/records.h``. Raises FileNotFoundError."""
    for folder in _FOLDERS:
        try:
            # Whatever imported this module can read what lies beside it: zipimport from inside an archive, too.
            return bytes(__spec__.loader.get_data(str(folder / name)))  # type: ignore[union-attr]
        except OSError:
            continue
    raise FileNotFoundError(f"{name} is not where oomtrace is installed")


def archive() -> Optional[Path]:
    """The .pyz file that this code runs from; None if it runs from a folder."""
    path = getattr(__spec__.loader, "archive", None)  # zipimport's
    return Path(path).resolve() if path else None


def stamps(*folders: str) -> Iterator[str]:
    """What changes if a file in these folders does: its name, size and time, as Python does for its own kept bytecode.
    ``kernel`` is ``oomtrace/kernel``. Of a .pyz, those of the whole file."""
    whole = archive()
    if whole is not None:
        yield _stamp(str(whole), whole.stat())
        return
    for name in folders:
        folder = next((place / name for place in _FOLDERS if (place / name).is_dir()), None)
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name) if folder else ():
            if entry.is_file() and not entry.name.endswith(".pyc"):
                yield _stamp(entry.path, entry.stat())


def _stamp(path: str, status: os.stat_result) -> str:
    return f"{path} {status.st_size} {status.st_mtime_ns}"

"""A folder of captures that does not grow without bound."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from oomtrace.errors import EXIT_USAGE, OomtraceError


@dataclass(frozen=True)
class Shelf:
    """How many captures to keep, and how many bytes of them; None: any number."""

    count: Optional[int] = None
    size_bytes: Optional[int] = None

    def tidy(self, newest: Path) -> list[Path]:
        """Remove the oldest captures beside the newest, which stays whatever its size. Returns what went."""
        found: list[tuple[int, str, int]] = []
        for path in newest.parent.glob("*.oom"):
            with suppress(OSError):  # somebody else may tidy up, too
                status = path.lstat()
                if path.name != newest.name and path.is_file() and not path.is_symlink():
                    found.append((status.st_mtime_ns, path.name, status.st_size))
        held, total, gone = 1, newest.lstat().st_size, []
        for _, name, size in sorted(found, reverse=True):
            held, total = held + 1, total + size
            if (self.count is not None and held > self.count) or (
                self.size_bytes is not None and total > self.size_bytes
            ):
                with suppress(OSError):
                    newest.with_name(name).unlink()
                gone.append(newest.with_name(name))
        return gone


def shelf(count: Optional[int], size_bytes: Optional[int], target: Optional[str]) -> Optional[Shelf]:
    """The bound that a command line asks for, None if it asks for none. Raises OomtraceError."""
    if count is None and size_bytes is None:
        return None
    if target is None or not (target.endswith("/") or Path(target).is_dir()):
        raise OomtraceError("--keep and --keep-size are for a folder of captures", "add -o DIR/", EXIT_USAGE)
    return Shelf(count, size_bytes)

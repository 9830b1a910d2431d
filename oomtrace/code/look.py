"""Looks at a process that lives: what must be known of it for its frames after it has gone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Optional

from . import perfmap
from .files import Files
from .raw import MappedFile, Process

_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) (\S+) (\d+) *(.*)")
_DELETED = " (deleted)"
_MOST_MAPS = 65530  # vm.max_map_count


def look(tgid: int, files: Files) -> Optional[Process]:
    """What must be known of a process, and its files opened; None if it has gone or is a kernel thread."""
    folder = Path(files.proc, str(tgid))
    started = _started(folder)
    maps = mapped(_read(folder / "maps"))
    if not maps:
        return None
    status = _read(folder / "status")
    ns_tgid, uid = _word(status, "NSpid", -1), _word(status, "Uid", 2)
    named = tuple(replace(one, build_id=files.keep(tgid, one)) if one.executable and one.inode else one for one in maps)
    path = f"{folder}/root/tmp/perf-{ns_tgid if ns_tgid is not None else tgid}.map"
    return Process(tgid, ns_tgid, started, named, perf_map=perfmap.read(path, uid if uid is not None else 0))


def mapped(maps: str) -> tuple[MappedFile, ...]:
    """The executable mappings of /proc/PID/maps, and those of the same files: they tell where a file begins."""
    found = []
    for line in maps.splitlines()[:_MOST_MAPS]:
        match = _LINE.match(line)
        if match is not None:
            start, end, flags, offset, device, inode, path = match.groups()
            path = path[: -len(_DELETED)] if path.endswith(_DELETED) else path
            found.append(MappedFile(int(start, 16), int(end, 16), "x" in flags, int(offset, 16), device, int(inode),
                                    path.replace("\\012", "\n")))
    executable = {(one.device, one.inode) for one in found if one.executable and one.inode}
    return tuple(one for one in found if one.executable or (one.device, one.inode) in executable)


def is_same(process: Process, proc: str = "/proc") -> bool:
    """Does this process still live? Its number may be another's by now."""
    started = _started(Path(proc, str(process.tgid)))
    return started is not None and started == process.started


def _started(folder: Path) -> Optional[int]:
    words = _read(folder / "stat").rpartition(")")[2].split()
    return int(words[19]) if len(words) > 19 else None


def _word(status: str, name: str, at: int) -> Optional[int]:
    """A number of a line of /proc/PID/status. The last of NSpid is that of the innermost namespace, the second of Uid
    the effective one (Documentation/filesystems/proc.rst)."""
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[at])
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "surrogateescape")
    except (OSError, ValueError):
        return ""

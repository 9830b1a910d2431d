"""Looks at a process that lives: what must be known of it for its frames after it has gone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Optional

from . import perfmap, python
from .files import Files
from .raw import MappedFile, Process, PythonCode

_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) (\S+) (\d+) *(.*)")
_DELETED = " (deleted)"
_MOST_THREADS = 256
_MOST_CODES = 4096
_MOST_MAPS = 65530  # vm.max_map_count


def look(tgid: int, files: Files, before: Optional[Process] = None) -> Optional[Process]:
    """What must be known of a process, and its files opened; None if it has gone or is a kernel thread.

    ``before``: what was found when it was looked at earlier. Of that stays what cannot be read any more: a victim of
    the OOM killer may go while it is looked at.
    """
    folder = Path(files.proc, str(tgid))
    started = _started(folder)
    maps = mapped(_read(folder / "maps"))
    if not maps:
        return None
    status = _read(folder / "status")
    ns_tgid, uid = _word(status, "NSpid", -1), _word(status, "Uid", 2)
    named = tuple(replace(one, build_id=files.keep(tgid, one)) if one.executable and one.inode else one for one in maps)
    found = Process(tgid, ns_tgid, started, named)
    known = before if before is not None and _is_same_program(found, before) else found
    file = files.reach.opened(tgid, f"/tmp/perf-{ns_tgid if ns_tgid is not None else tgid}.map", follow=False)
    found = replace(found, perf_map=perfmap.read(file, uid if uid is not None else 0) or known.perf_map)
    return _with_python(found, files, known)


def _is_same_program(found: Process, before: Process) -> bool:
    """Has it run no other program since? A program maps more code as it runs, and each run lies elsewhere."""
    first, later = ({(one.start, one.device, one.inode) for one in process.maps if one.executable and one.inode}
                    for process in (before, found))
    return found.started == before.started and first <= later


def _with_python(process: Process, files: Files, known: Process) -> Process:
    """With what the threads of an interpreter run, and the code objects that they run; ``known``: of before."""
    kept = replace(process, python_layout=known.python_layout, python=known.python, python_threads=known.python_threads)
    try:
        memory = python.Memory(process.tgid, files.proc)
    except OSError:
        return kept
    try:
        layout = python.layout_of(process, files, memory.read)
        if layout is None:
            return kept
        threads = dict(_threads(process.tgid, files.proc, memory, layout))
        addresses = {code for frames in threads.values() for code, _ in frames}
        fresh = python.codes(memory, layout, addresses)
        return replace(process, python_layout=layout.packed(), python=_bounded({**known.python, **fresh}),
                       python_threads=threads or known.python_threads)
    finally:
        memory.close()


def _threads(
    tgid: int, proc: str, memory: python.Memory, layout: python.Layout
) -> Iterator[tuple[str, tuple[tuple[int, int], ...]]]:
    tasks = Path(proc, str(tgid), "task")
    try:
        names = os.listdir(tasks)[:_MOST_THREADS]
    except OSError:
        return
    for name in names:
        native = _word(_read(tasks / name / "status"), "NSpid", -1)
        frames = python.frames(memory, layout, native) if native is not None else None
        if frames is not None:
            yield name, frames


def _bounded(codes: dict[str, PythonCode]) -> dict[str, PythonCode]:
    """The last ones."""
    return dict(list(codes.items())[-_MOST_CODES:])


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

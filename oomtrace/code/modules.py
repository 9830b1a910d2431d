"""What lies where in a process: its modules (files with code), and the code without a file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from .raw import MappedFile


@dataclass(frozen=True)
class Module:
    """A file with code, from its first mapping to its last. ``mapped`` is an executable one; ``is_file``: not code made
    at run time, and not the kernel's vdso."""

    start: int
    end: int
    mapped: MappedFile

    @property
    def is_file(self) -> bool:
        return self.mapped.inode != 0


class Modules:
    """The modules of a process, to be found by address."""

    def __init__(self, maps: Sequence[MappedFile]) -> None:
        lines = sorted(maps, key=lambda one: one.start)
        self._executable = [one for one in lines if one.executable]
        self._starts = [one.start for one in self._executable]
        self.all = _modules(lines)
        self._module_starts = [one.start for one in self.all]

    def mapped(self, address: int) -> Optional[MappedFile]:
        """The executable mapping that an address is in."""
        at = bisect_right(self._starts, address) - 1
        return self._executable[at] if at >= 0 and address < self._executable[at].end else None

    def at(self, address: int) -> Optional[Module]:
        """The module that an address is in."""
        at = bisect_right(self._module_starts, address) - 1
        return self.all[at] if at >= 0 and address < self.all[at].end else None


def _modules(lines: Sequence[MappedFile]) -> list[Module]:
    """Mappings of one file, one after the other, are a module: until its offsets begin anew (it is mapped twice)."""
    groups: list[list[MappedFile]] = []
    for line in lines:
        last = groups[-1][-1] if groups else None
        follows = (
            last is not None and line.inode != 0 and (line.device, line.inode) == (last.device, last.inode)
            and line.file_offset > last.file_offset
        )
        if follows:
            groups[-1].append(line)
        else:
            groups.append([line])
    found = []
    for group in groups:
        executable = next((one for one in group if one.executable), None)
        if executable is not None and executable.path:  # "[vdso]" has a path and no inode
            found.append(Module(group[0].start, group[-1].end, executable))
    return found

"""Compiled programs that can be kept: they know neither map descriptors nor where the kernel lies in memory.

The sources are compiled with a mark in place of each kernel symbol's address (``mark``), and maps by name; loading
puts in what this boot has.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any, Dict, Mapping, Sequence, Tuple

# No kernel address begins like this: the upper half of a canonical x86-64 or arm64 address is all ones.
_MARK_BASE = 0x4F4F4D00 << 32
_MARK_STEP = 1 << 24
# The bytes that all marks end with, and where they are in the two instructions that load a number of 64 bits.
_MARK_TOP, _MARK_TOP_AT = (_MARK_BASE >> 40).to_bytes(3, "little"), 13
_LD_IMM64 = 0x18


def mark(index: int) -> int:
    """The number that stands for the index-th symbol's address."""
    return _MARK_BASE + index * _MARK_STEP


@dataclass(frozen=True)
class MapSpec:
    """What a map is created from; sizes in bytes."""

    name: str
    kind: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int


@dataclass(frozen=True)
class Program:
    """A program's instructions, and which of them (by index) load which map."""

    name: str
    code: bytes
    maps: Mapping[int, str]

    def linked(self, map_fds: Mapping[str, int], addresses: Sequence[int]) -> bytes:
        """The instructions with this process's maps and this boot's symbol addresses."""
        code = bytearray(self.code)
        for index, name in self.maps.items():
            code[8 * index + 4 : 8 * index + 8] = map_fds[name].to_bytes(4, "little")
        found = self.code.find(_MARK_TOP)
        while found >= 0:
            at = found - _MARK_TOP_AT
            value = int.from_bytes(code[at + 4 : at + 8] + code[at + 12 : at + 16], "little")
            which, offset = divmod(value - _MARK_BASE, _MARK_STEP)
            if at % 8 == 0 and code[at] == _LD_IMM64 and code[at + 1] >> 4 == 0 and which < len(addresses):
                real = (addresses[which] + offset).to_bytes(8, "little")
                code[at + 4 : at + 8], code[at + 12 : at + 16] = real[:4], real[4:]
            found = self.code.find(_MARK_TOP, found + 1)
        return bytes(code)


@dataclass(frozen=True)
class Image:
    """All programs and the maps that they use."""

    maps: Tuple[MapSpec, ...]
    programs: Tuple[Program, ...]

    @classmethod
    def joined(cls, images: Sequence["Image"]) -> "Image":
        """Programs of several sources; maps that they share are there once."""
        maps = {spec.name: spec for image in images for spec in image.maps}
        return cls(tuple(maps.values()), tuple(program for image in images for program in image.programs))

    def to_plain(self) -> Dict[str, Any]:
        """As values that JSON can hold."""
        programs = [
            {
                "name": program.name,
                "code": base64.b64encode(program.code).decode(),
                "maps": {str(index): name for index, name in program.maps.items()},
            }
            for program in self.programs
        ]
        return {"maps": [asdict(spec) for spec in self.maps], "programs": programs}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Image":
        """What ``to_plain`` made. Raises KeyError, TypeError or ValueError if it is something else."""
        programs = tuple(
            Program(row["name"], base64.b64decode(row["code"]), {int(at): name for at, name in row["maps"].items()})
            for row in plain["programs"]
        )
        return cls(tuple(MapSpec(**row) for row in plain["maps"]), programs)

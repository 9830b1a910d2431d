"""Compiled programs that fit more than one kernel: they know neither map descriptors nor what was asked of the kernel.

In place of an answer that is not known when the sources are compiled stands a mark (``mark``): a number that the
compiler cannot see through, in an instruction that loads 64 bits. The answers are put in afterwards (``Image.settled``:
those that stay the same at every boot of a kernel; ``Program.linked``: symbols' addresses, and this process's maps).
BPF's instructions are the same on all architectures. Where the kernel puts the registers of a probed function is not,
so there are marks in place of that, too (``registers``).
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Optional

# No kernel address begins like this: the upper half of a canonical x86-64 or arm64 address is all ones.
_MARK_BASE = 0x4F4F4D00 << 32
_MARK_STEP = 1 << 24
_LD_IMM64, _LDX_U64, _CALL, _BYTES = 0x18, 0x79, 0x85, 8
_REGISTER_MARK, _MOST_REGISTERS = 0x7000, 11  # REGISTER_MARK of bpf/common.h, and how many may follow
_PSEUDO_MAP_FD = 1

# What stands for a thing that the kernel lacks: a call of a helper that there is none of. The verifier refuses it where
# a program could get there, and does not see it in a branch that cannot be taken.
_LACKING = 0x4F4F0000
_NO_REGISTER = _LACKING - 1


def mark(index: int) -> str:
    """The C for the number that stands for the answer to the index-th question."""
    return (
        f'({{ u64 _answer; asm("%0 = %1 ll" : "=r"(_answer) : "i"({_MARK_BASE + index * _MARK_STEP:#x})); _answer; }})'
    )


def marks(code: bytes) -> dict[int, int]:
    """Which instruction loads the answer to which question."""
    found = {}
    for at in range(0, len(code), _BYTES):
        if code[at] == _LD_IMM64 and code[at + 1] >> 4 == 0:
            value = int.from_bytes(code[at + 4 : at + 8] + code[at + 12 : at + 16], "little")
            index, rest = divmod(value - _MARK_BASE, _MARK_STEP)
            if value >> 40 == _MARK_BASE >> 40 and not rest:
                found[at // _BYTES] = index
    return found


def registers(code: bytes) -> dict[int, int]:
    """Which instruction reads which register: a number in ``Arch.registers``."""
    found = {}
    for at in range(0, len(code), _BYTES):
        number, rest = divmod(int.from_bytes(code[at + 2 : at + 4], "little") - _REGISTER_MARK, 8)
        if code[at] == _LDX_U64 and not rest and 0 <= number < _MOST_REGISTERS:
            found[at // _BYTES] = number
    return found


def without_maps(code: bytes, names: Mapping[int, str]) -> tuple[bytes, dict[int, str]]:
    """The instructions without this process's map descriptors (0 in place of them), and which of them loads which map,
    by the names of descriptors."""
    bare, uses = bytearray(code), {}
    for at in range(0, len(code), _BYTES):
        if code[at] == _LD_IMM64 and code[at + 1] >> 4 == _PSEUDO_MAP_FD:
            uses[at // _BYTES] = names[int.from_bytes(code[at + 4 : at + 8], "little")]
            bare[at + 4 : at + 8] = bytes(4)
    return bytes(bare), uses


def _put_register(code: bytearray, at: int, place: Optional[int]) -> None:
    """Where in the context the register is that the at-th instruction reads."""
    first = _BYTES * at
    if place is None:
        code[first : first + _BYTES] = bytes([_CALL, 0, 0, 0]) + _NO_REGISTER.to_bytes(4, "little")
    else:
        code[first + 2 : first + 4] = place.to_bytes(2, "little")


def _put(code: bytearray, at: int, index: int, value: Optional[int]) -> None:
    """The answer, into the two halves of the at-th instruction."""
    first, second = _BYTES * at, _BYTES * (at + 1)
    if value is None:
        call = bytes([_CALL, 0, 0, 0]) + (_LACKING + index).to_bytes(4, "little")
        code[first : second + _BYTES] = call + call
        return
    real = value.to_bytes(8, "little")
    code[first + 4 : first + 8], code[second + 4 : second + 8] = real[:4], real[4:]


@dataclass(frozen=True)
class MapSpec:
    """What a map is created from; sizes in bytes. ``max_entries`` 0: as many as there are CPUs."""

    name: str
    kind: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int


@dataclass(frozen=True)
class Program:
    """A program's instructions, and which of them (by index) load which map and the answer to which question."""

    name: str
    code: bytes
    maps: Mapping[int, str]
    marks: Mapping[int, int]

    def settled(
        self, answers: Sequence[Optional[int]], later: Sequence[int], places: Sequence[Optional[int]]
    ) -> Program:
        """With the answers to all questions but those (by index) that are to be answered later, and the places of the
        architecture's registers."""
        code, left = bytearray(self.code), {}
        for at, number in registers(self.code).items():
            _put_register(code, at, places[number])
        for at, index in self.marks.items():
            if index in later and answers[index] is not None:
                left[at] = index
            else:
                _put(code, at, index, answers[index])
        return replace(self, code=bytes(code), marks=left)

    def linked(self, map_fds: Mapping[str, int], addresses: Mapping[int, int]) -> bytes:
        """The instructions with this process's maps and the answers that were left, which are this boot's addresses."""
        code = bytearray(self.code)
        for at, name in self.maps.items():
            code[_BYTES * at + 4 : _BYTES * at + 8] = map_fds[name].to_bytes(4, "little")
        for at, index in self.marks.items():
            _put(code, at, index, addresses[index])
        return bytes(code)


@dataclass(frozen=True)
class Image:
    """All programs, the maps that they use, and what they ask of the kernel, in the order of the marks."""

    maps: tuple[MapSpec, ...]
    programs: tuple[Program, ...]
    asked: tuple[str, ...] = ()

    @classmethod
    def joined(cls, images: Sequence[Image]) -> Image:
        """Programs of several sources; maps that they share are there once."""
        maps = {spec.name: spec for image in images for spec in image.maps}
        programs = tuple(program for image in images for program in image.programs)
        return cls(tuple(maps.values()), programs, images[0].asked)

    def settled(
        self, answers: Sequence[Optional[int]], later: Sequence[int], places: Sequence[Optional[int]]
    ) -> Image:
        """With the answers to all questions but those (by index) that are to be answered later, and the places of the
        architecture's registers."""
        return replace(self, programs=tuple(program.settled(answers, later, places) for program in self.programs))

    def explained(self, refusal: str) -> str:
        """What the verifier said, in other words if a program needs what the kernel lacks."""
        # late: a start needs nothing of it
        import re

        from oomtrace.kernel.questions import Question

        found = re.search(r"unknown#(\d+)", refusal)
        index = int(found.group(1)) - _LACKING if found else -1
        if not 0 <= index < len(self.asked):
            return refusal
        return f"it needs {Question.parse(self.asked[index]).subject}, which this kernel does not have"

    def to_plain(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        programs = [
            {
                "name": program.name,
                "code": binascii.b2a_base64(program.code, newline=False).decode(),
                "maps": {str(at): name for at, name in program.maps.items()},
                "marks": {str(at): index for at, index in program.marks.items()},
            }
            for program in self.programs
        ]
        return {"asked": list(self.asked), "maps": [asdict(spec) for spec in self.maps], "programs": programs}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Image:
        """What ``to_plain`` made. Raises KeyError, TypeError or ValueError if it is something else."""
        programs = tuple(
            Program(
                row["name"],
                binascii.a2b_base64(row["code"]),
                {int(at): str(name) for at, name in row["maps"].items()},
                {int(at): int(index) for at, index in row["marks"].items()},
            )
            for row in plain["programs"]
        )
        return cls(tuple(MapSpec(**row) for row in plain["maps"]), programs, tuple(map(str, plain["asked"])))

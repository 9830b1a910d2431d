"""A walk along a copied stack, and the walk by frame pointers, which needs no library."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Optional

from oomtrace.model import Ending

from .machine import Registers
from .modules import Modules
from .raw import RawStack

MOST_FRAMES = 256
_STACK_BYTES = 8 << 20  # RLIMIT_STACK as it usually is: what is asked for further up is no stack


@dataclass(frozen=True)
class Step:
    """A frame's address: within the call for those that wait for its return, ``exact`` for the one that runs."""

    address: int
    exact: bool = False


@dataclass(frozen=True)
class Walked:
    """The frames of a stack, innermost first."""

    steps: tuple[Step, ...]
    ends: Optional[Ending] = None


class Copy:
    """A copy of a stack, read by address."""

    def __init__(self, start: int, data: bytes, word_bytes: int) -> None:
        self._start, self._data, self._word_bytes = start, data, word_bytes
        self._word = struct.Struct("<Q" if word_bytes == 8 else "<I")
        self.failed = False  # was something asked for that it has not got?
        self.ended = False  # was it above it?

    def word(self, address: int) -> Optional[int]:
        """The word at an address; None if the copy has not got it."""
        at = address - self._start
        if at < 0 or at + self._word_bytes > len(self._data):
            self.failed = True
            self.ended = self.ended or 0 <= at < _STACK_BYTES
            return None
        found: int = self._word.unpack_from(self._data, at)[0]
        return found


def by_frame_pointers(raw: RawStack, registers: Registers, modules: Modules) -> Walked:
    """Follows frame pointers: each points to the caller's, and above that lies the return address.

    Most programs are built without them; then the walk soon ends, and what comes out is short.
    """
    word_bytes = registers.machine.word_bytes
    copy = Copy(registers.sp, raw.stack, word_bytes)
    steps, frame = [Step(registers.pc, True)], registers.fp
    while len(steps) < MOST_FRAMES:
        after, caller = copy.word(frame), copy.word(frame + word_bytes)
        if after is None or caller is None or modules.mapped(caller - 1) is None:
            break
        steps.append(Step(caller - 1))
        if after <= frame:  # the first frame of a thread has 0
            break
        frame = after
    return Walked(tuple(steps), Ending.CUT if copy.ended and not raw.whole and frame else Ending.SHORT)

"""Signals as something to wait for, with where they come from: signalfd(2), which Python does not have."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Iterable
from typing import NamedTuple

_INFO_BYTES = 128  # struct signalfd_siginfo
_SIGSET_WORDS = 16  # glibc's sigset_t; musl takes the first two
_SI_KERNEL = 0x80


class Signal(NamedTuple):
    """One that has come."""

    number: int
    from_terminal: bool  # Ctrl-C and the like: the kernel sent it to all of the foreground process group


class Signals:
    """Blocks some signals and reads them from a descriptor instead."""

    def __init__(self, numbers: Iterable[int]) -> None:
        numbers = list(numbers)
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        mask = (ctypes.c_uint64 * _SIGSET_WORDS)(sum(1 << (number - 1) for number in numbers))
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor: int = libc.signalfd(-1, mask, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "signalfd")

    def read(self) -> list[Signal]:
        """Those that have come."""
        try:
            data = os.read(self.descriptor, 64 * _INFO_BYTES)
        except BlockingIOError:
            return []
        infos = (struct.unpack_from("<Iii", data, at) for at in range(0, len(data), _INFO_BYTES))
        return [Signal(number, code == _SI_KERNEL) for number, _, code in infos]

    def restore(self) -> None:
        """Set the mask back, in this process or in a child that is to run something else."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def close(self) -> None:
        """No more."""
        os.close(self.descriptor)
        self.restore()

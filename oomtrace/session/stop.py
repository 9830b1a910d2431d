"""A person, or systemd, asks the trace to end: the signals that say so."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Callable, Optional, Union

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_Handler = Union[Callable[[int, Optional[FrameType]], object], int, None]


class StopSignals:
    """Listens from now on until ``close``. ``asked``: whether a signal has come. ``fd`` can be read then: a signal may
    fall just before a wait for records, which this descriptor ends."""

    def __init__(self) -> None:
        self.asked = False
        self.fd, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake)
        self._before: dict[signal.Signals, _Handler] = {
            number: signal.signal(number, lambda *_: self.ask()) for number in _SIGNALS
        }

    def ask(self) -> None:
        """As if a signal had come."""
        self.asked = True

    def close(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._wake)

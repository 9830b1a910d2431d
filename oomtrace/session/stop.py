"""A person, or systemd, asks the trace to end: the signals that say so, and what they mean to one that is behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Callable, Optional, TypeVar, Union

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_Handler = Union[Callable[[int, Optional[FrameType]], object], int, None]
_T = TypeVar("_T")

_MUCH_S = 1.0  # what takes longer than that is told of
_AT_ONCE_S = 0.5  # signals so soon after the first are one with it: timeout(1) sends two


class StopSignals:
    """Listens from now on until ``close``. ``asked``: whether a signal has come. ``fd`` can be read then: a signal may
    fall just before a wait for records, which this descriptor ends. ``again``: whether one has come while it meant
    something more (``more_means_now``)."""

    def __init__(self) -> None:
        self.asked = self.again = self.more_means_now = False
        self.fd, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake)
        self._before: dict[signal.Signals, _Handler] = {
            number: signal.signal(number, lambda *_: self.ask()) for number in _SIGNALS
        }

    def ask(self) -> None:
        """As if a signal had come."""
        self.again = self.again or self.more_means_now
        self.asked = True

    def close(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._wake)


class Ending:
    """How a trace ends that is behind: after a storm of OOMs there may be more reports to make than anybody waits for.

    ``tell`` hears once how many are ``left``, if they will take more than a second. A signal that comes after that
    leaves them out: ``now``. Where nobody is told, signals change nothing.
    """

    def __init__(
        self, stop: StopSignals, left: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stop, self._left, self._clock = stop, left, clock
        self._asked_s: Optional[float] = None  # when it was noticed
        self.tell: Optional[Callable[[int], None]] = None

    @property
    def now(self) -> bool:
        """Whether all that is left is left out."""
        return self._stop.again

    def each(self, made: Iterable[_T]) -> Iterator[_T]:
        """Those that are made one by one, up to the one in hand when the rest is left out."""
        begin_s = self._clock()
        for done, one in enumerate(made if not self.now else (), 1):
            yield one
            if self._stop.asked:
                self._consider((self._clock() - begin_s) / done)
            if self.now:
                return

    def _consider(self, each_s: float) -> None:
        """Tell, if there is much to do still."""
        now_s = self._clock()
        if self._asked_s is None:
            self._asked_s = now_s
        if self.tell is None or self._stop.more_means_now or now_s - self._asked_s < _AT_ONCE_S:
            return
        left = self._left()
        if left * each_s >= _MUCH_S:
            self.tell(left)
            self._stop.more_means_now = True

"""Text that a process of its own makes, while this one goes on until it wants it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Callable, Optional


class Ahead:
    """Forks the process. It makes the text once, and prints nothing. Raises OSError."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._fd, given = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(self._fd)  # or it would wait for ever to fill the pipe when the other one is gone
            _give(given, make)
        os.close(given)

    def text(self) -> Optional[str]:
        """Waits for it. None if it could not be made. To be asked once."""
        with open(self._fd, encoding="ascii") as file:
            text = file.read()
        with suppress(ChildProcessError):  # `oomtrace run` traces in a child of its own, whose child it is not
            os.waitpid(self._pid, 0)
        return text[: -len(_END)] if text.endswith(_END) else None


_END = "\n"  # after the whole of it


def _give(fd: int, make: Callable[[], str]) -> None:
    """The life of the process. What goes wrong here is found again, and told, by the one that has forked it."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # of the terminal, for both
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):  # whoever reads what the other prints must not wait for this one
            os.dup2(nothing, standard)
        with open(fd, "w", encoding="ascii") as file:
            file.write(make() + _END)
        status = 0
    finally:
        os._exit(status)

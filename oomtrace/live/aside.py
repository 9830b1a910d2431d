"""Records that come before a trace can read them: a storm may begin while Python still loads what decodes them."""

from __future__ import annotations

import os
import select
import threading

from oomtrace.live.ring import Rings

_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Meanwhile:
    """A thread that sets them aside whenever the buffers fill up, until its ``end``. It sleeps while they do not."""

    def __init__(self, rings: Rings) -> None:
        self._rings = rings
        self._ends, self._ending = os.pipe()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        poll = select.poll()
        for fd in (self._ends, *self._rings.fds):
            poll.register(fd, select.POLLIN)
        while True:
            for fd, events in poll.poll():
                if fd == self._ends:
                    return
                if events & _GONE:  # its CPU is
                    poll.unregister(fd)
            self._rings.set_aside()

    def end(self) -> None:
        """From now on the buffers are somebody else's."""
        os.close(self._ending)
        self._thread.join()
        os.close(self._ends)

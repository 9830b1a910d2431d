"""What a command says on standard error, beside its output: never with what a terminal would act on."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import Optional

from oomtrace.escape import escaped

_PATIENCE_MS = 1000
_stuck = False  # whoever reads standard error has not for so long: not waited for again until there is room


def say(message: str) -> None:
    """Lines of our own words and of names that others chose (processes, memcgs, files). Where nobody takes them (a full
    disk, a pager that waits, a closed descriptor) they are gone: what they tell of goes on."""
    for line in message.split("\n"):
        text = escaped(line) + "\n"
        descriptor = _descriptor()
        if descriptor is None:
            with suppress(OSError, ValueError, AttributeError):
                sys.stderr.write(text)
        elif _has_room(descriptor):
            with suppress(OSError):  # not by Python's own buffer, which would try again at the end, and fail then
                os.write(descriptor, text.encode(sys.stderr.encoding or "utf-8", "backslashreplace"))


def _descriptor() -> Optional[int]:
    """Of standard error; None if it is closed, or none of the system's (a test's)."""
    try:
        return sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _has_room(descriptor: int) -> bool:
    global _stuck
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    _stuck = not poll.poll(0 if _stuck else _PATIENCE_MS)
    return not _stuck


def nothing(_message: str) -> None:
    """For what only --verbose says."""

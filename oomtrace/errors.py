"""The one error type that reaches a person: a sentence, a hint and an exit status."""

from __future__ import annotations

from typing import Optional

# The documented exit statuses (README, "Exit status").
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_NO_REPORT = 3
EXIT_UNREADABLE = 4
EXIT_NOT_ROOT = 10
EXIT_NO_BCC = 11
EXIT_NO_TYPES = 12
EXIT_NO_PROBE = 13
EXIT_LOCKDOWN = 14
EXIT_OLD_PYTHON = 15  # of oomtrace.pyz: packaging/start.py
EXIT_TIMEOUT = 124
EXIT_GONE = 141


class OomtraceError(Exception):
    """What went wrong in one sentence (``message``), what to do about it (``hint``), and the exit status."""

    def __init__(self, message: str, hint: Optional[str] = None, status: int = EXIT_FAILURE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status

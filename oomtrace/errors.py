"""The one error type that reaches a person, and every exit status that a command may end with."""

from __future__ import annotations

from typing import Optional

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_NO_REPORT = 3
EXIT_UNREADABLE = 4
EXIT_UNEXPECTED = 5
EXIT_UNMET = 6
EXIT_NOT_ROOT = 10
EXIT_NO_BCC = 11
EXIT_NO_TYPES = 12
EXIT_NO_PROBE = 13
EXIT_LOCKDOWN = 14
EXIT_OLD_PYTHON = 15  # of oomtrace.pyz: packaging/start.py
EXIT_TIMEOUT = 124
EXIT_GONE = 141

# What each means: the manual page and the documentation print this table.
STATUSES: dict[int, str] = {
    0: "Success.",
    EXIT_FAILURE: "Failure. This includes output that could not be written, reports that a second Ctrl-C left out, a "
                  "command of --exec that failed, with --verify a report that differs from the kernel's, and with "
                  "--fit a command that fails under MAX for another reason than memory.",
    EXIT_USAGE: "Wrong usage, or a file for repro that is wrong.",
    EXIT_NO_REPORT: "read: the input has no OOM report.",
    EXIT_UNREADABLE: "read: an input, or a part of it, could not be read.",
    EXIT_UNEXPECTED: "run --expect, repro: the result is not the expected one. run --fit: the command is OOM-killed "
                     "even under MAX.",
    EXIT_UNMET: "repro: this machine does not have what the file needs, or has a cgroup already that it would make.",
    EXIT_NOT_ROOT: "Tracing needs root or capabilities that are missing.",
    EXIT_NO_BCC: "Python cannot import bcc, the BPF Compiler Collection.",
    EXIT_NO_TYPES: "The kernel has no BTF, and its headers are not installed.",
    EXIT_NO_PROBE: "A kernel function that tracing needs is missing or cannot be probed.",
    EXIT_LOCKDOWN: "The kernel is locked down, or hides its symbols.",
    EXIT_OLD_PYTHON: "oomtrace.pyz: this Python is older than 3.9.",
    EXIT_TIMEOUT: "--timeout ended the trace before any OOM.",
    EXIT_GONE: "The program that read the output has gone.",
}


class OomtraceError(Exception):
    """What went wrong in one sentence (``message``), what to do about it (``hint``), and the exit status."""

    def __init__(self, message: str, hint: Optional[str] = None, status: int = EXIT_FAILURE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status

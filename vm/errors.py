"""The one error type of the VM tool, and the exit statuses that are the tool's own."""

from __future__ import annotations

STATUS_USAGE = 2
"""The command line is wrong."""
STATUS_HARNESS = 124
"""The tool itself failed before or around the guest: no image, no QEMU, a bad request."""
STATUS_LOST = 125
"""The VM was lost: kernel panic, hang, time-out, QEMU gone. Nothing is known about the command."""


class VmError(Exception):
    """What went wrong, what to do about it, and the exit status that says so."""

    def __init__(self, message: str, hint: str = "", status: int = STATUS_HARNESS) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message

"""Telling others that the trace is ready: a pid file, a ready file, systemd."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, Optional

from oomtrace.errors import OomtraceError


@contextmanager
def ready(pid_file: Optional[str], ready_file: Optional[str]) -> Iterator[None]:
    """Announce readiness; what was written is removed at the end."""
    written = [Path(name) for name in (pid_file, ready_file) if name is not None]
    for path in written:
        try:
            with suppress(BrokenPipeError):  # a fifo whose reader only waited for somebody to open it
                path.write_text(f"{os.getpid()}\n")
        except OSError as error:
            raise OomtraceError(f"cannot write {path}: {error.strerror}") from error
    _systemd(b"READY=1")
    try:
        yield
    finally:
        _systemd(b"STOPPING=1")
        for path in written:
            with suppress(OSError):
                path.unlink()


def _systemd(state: bytes) -> None:
    """sd_notify(3): one datagram to the socket that systemd names."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state, "\0" + address[1:] if address.startswith("@") else address)

"""Telling others that the trace is ready, or that it will not be: a pid file, a ready file, systemd."""

from __future__ import annotations

import os
import socket
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import Optional

from oomtrace.errors import OomtraceError

_PATIENCE_S = 5.0  # at the end, for a thread that has not come to its fifo yet


class Ready:
    """Announces readiness, and removes at the end what was written. Use as a context manager.

    A file that is a fifo gets its line when somebody reads it, and nobody waits for that. Its reader gets an end
    without a line if the trace ends before it was ready.
    """

    def __init__(self, pid_file: Optional[str], ready_file: Optional[str]) -> None:
        self._paths = [Path(name) for name in (pid_file, ready_file) if name is not None]
        self._written: list[Path] = []
        self._writing: dict[Path, threading.Thread] = {}  # fifos
        self._announced = False

    def announce(self) -> None:
        """It is ready. Raises OomtraceError where a file cannot be written."""
        self._announced = True
        for path in self._paths:
            if _is_fifo(path):
                self._writing[path] = threading.Thread(target=_write_fifo, args=[path], daemon=True)
                self._writing[path].start()
                self._written.append(path)
                continue
            try:
                _write(path)
            except OSError as error:
                raise OomtraceError(f"cannot write {path}: {error.strerror}") from error
            self._written.append(path)
        _systemd(b"READY=1")

    def __enter__(self) -> "Ready":
        return self

    def __exit__(self, *_: object) -> None:
        if self._announced:
            _systemd(b"STOPPING=1")
        else:
            self._written = [path for path in self._paths if _is_fifo(path)]
        for path in self._written:
            with suppress(OSError):
                if _is_fifo(path):
                    _release(path, self._writing.get(path))
                path.unlink()


def _write(path: Path) -> None:
    """Whoever looks for the file finds it whole, or not at all."""
    if path.exists() and not path.is_file():  # a fifo, a device
        path.write_text(f"{os.getpid()}\n")
        return
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(f"{os.getpid()}\n")
    part.replace(path)


def _write_fifo(path: Path) -> None:
    with suppress(OSError):  # nobody read it, and it is gone
        fifo = os.open(path, os.O_WRONLY)  # which makes no file in its place
        try:
            os.write(fifo, f"{os.getpid()}\n".encode())
        finally:
            os.close(fifo)


def _release(fifo: Path, writing: Optional[threading.Thread]) -> None:
    """Whoever waits at a fifo waits no more: its reader or, if the line was to be written, the thread that writes it,
    which may not have come to it yet."""
    with suppress(OSError):  # there is no reader
        end = os.open(fifo, (os.O_WRONLY if writing is None else os.O_RDONLY) | os.O_NONBLOCK)
        if writing is not None:
            writing.join(_PATIENCE_S)
        os.close(end)


def _is_fifo(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def _systemd(state: bytes) -> None:
    """sd_notify(3): one datagram to the socket that systemd names."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state, "\0" + address[1:] if address.startswith("@") else address)

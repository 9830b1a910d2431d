"""An OOM as an entry of the systemd journal: the headline for people, fields for ``journalctl OOMTRACE_VICTIM=…``.

The native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram, a field a line; values are bytes, so names of
processes go in as they are.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from oomtrace.tell import Option

if TYPE_CHECKING:
    from oomtrace.model import OomEvent

OPTION = Option("--journal", "Write an entry for each OOM to the systemd journal, with fields such as OOMTRACE_VICTIM.")
SOCKET = "/run/systemd/journal/socket"
# Of "an OOM was traced"; made with uuidgen, stays for ever.
MESSAGE_ID = "aca40e4268b646a18c779427d1fc2d74"
# Of "somebody else killed", likewise.
MESSAGE_ID_KILLED = "4e41cfc705ef46108a6637623e82eb64"
_WARNING = 4
_LONGEST = 16 << 10
PATIENCE_S = 1.0


def opened(_value: object) -> JournalSocket:
    """The journal."""
    return JournalSocket()


def fields(event: OomEvent, capture: Optional[Path] = None) -> dict[str, str]:
    """What an entry says of the event; what the source does not tell is left out."""
    from oomtrace.tell.common.essentials import essentials

    kind = MESSAGE_ID if event.killed is None else MESSAGE_ID_KILLED
    entry = {"MESSAGE_ID": kind, "PRIORITY": str(_WARNING), "SYSLOG_IDENTIFIER": "oomtrace"}
    return {**entry, **essentials(event, capture)}


def datagram(entry: Mapping[str, str]) -> bytes:
    """The entry in the journal's form: ``NAME=value``, or name, length and value where the value has line ends."""
    parts = []
    for name, text in entry.items():
        value = text.encode("utf-8", "surrogateescape")[:_LONGEST]
        if b"\n" in value:
            parts.append(name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n")
        else:
            parts.append(name.encode() + b"=" + value + b"\n")
    return b"".join(parts)


class JournalSocket:
    """The journal's socket. A journal that does not read is waited for once, and then not until it reads again: to lose
    one entry is better than to lose the records of other OOMs meanwhile."""

    name = "the journal"

    def __init__(self, address: str = SOCKET) -> None:
        self._address = address
        self._patience_s = PATIENCE_S

    def tell(self, event: OomEvent, capture: Optional[Path]) -> None:
        """Send the entry of an event. Raises OSError."""
        self.send(fields(event, capture))

    def close(self) -> None:
        """Nothing is left open."""

    def send(self, entry: Mapping[str, str]) -> None:
        """Send an entry. Raises OSError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(self._patience_s)
            try:
                sock.sendto(datagram(entry), self._address)
            except (socket.timeout, BlockingIOError):
                self._patience_s = 0.0
                raise
        self._patience_s = PATIENCE_S

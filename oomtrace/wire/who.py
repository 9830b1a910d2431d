"""Records → whose processes the trigger and the victim are, as the kernel knew at the decision."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import Identity
from oomtrace.wire.layout import text_of
from oomtrace.wire.near import path_of
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import RecordKind, RecWho

_SOURCE = "bpf"
_CUT = "…"
_DELETED = " (deleted)"  # as /proc/PID/exe has it


def identities(records: OomRecords) -> tuple[Identity, ...]:
    """The trigger's process first, then the victim's; one where it is the same."""
    found = {record.tgid: record for record in reversed(records.all(RecordKind.WHO, RecWho))}
    return tuple(_identity(record) for record in reversed(list(found.values())))


def _identity(record: RecWho) -> Identity:
    words = _words(record)
    return Identity(
        pid=record.tgid,
        comm=text_of(record.comm),
        cmdline=words,
        masked=record.masked if words is not None else None,
        exe=_exe(record),
        parent_pid=record.parent_tgid or None,
        parent_comm=text_of(record.parent_comm) if record.parent_tgid else None,
        start_ns=record.start_boot_ns or None,
        age_ns=max(0, record.header.time_ns - record.start_ns),
        uid=record.uid,
        ns_pids=tuple(record.pids[: record.level + 1]),
        source=_SOURCE,
        time_ns=record.header.time_ns,
    )


def _words(record: RecWho) -> Optional[tuple[str, ...]]:
    """The command line. The word that does not fit in whole is left out, and so is what comes after it."""
    if not record.cmdline_len:
        return None
    text = bytes(record.cmdline)[: record.cmdline_len].decode("utf-8", "surrogateescape")
    if record.cmdline_full_len <= record.cmdline_len:
        return tuple(text.rstrip("\0").split("\0"))
    return (*text.split("\0")[:-1], _CUT)


def _exe(record: RecWho) -> Optional[str]:
    if not record.exe_len:
        return None
    path = path_of(record.exe, record.exe_len)
    return ("…" + path if record.exe_cut else path) + (_DELETED if record.exe_deleted else "")

"""Records → where the processes of an OOM were in their own code: raw, for oomtrace/code/ to make frames of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import pack

from oomtrace.wire.layout import Layout, TraceRecord, text_of
from oomtrace.wire.records import RecordKind, RecUserPiece, RecUserStack

_PIECES = 9  # that are asked for at most (bpf/userstack.h, USER_PIECES)
_OF_STACKS = {RecordKind.USER_STACK: RecUserStack, RecordKind.USER_PIECE: RecUserPiece}


@dataclass(frozen=True)
class UserStack:
    """A thread's registers and what lay on its stack from the stack pointer up. ``whole``: the copy does not end only
    because it would have become too large."""

    role: str  # "trigger", "victim"
    tgid: int
    pid: int
    comm: str
    registers: bytes  # struct pt_regs; empty: a kernel thread
    memory: bytes
    whole: bool


def stacks(records: Iterable[TraceRecord], layout: Layout) -> list[UserStack]:
    """The stacks among an OOM's records, in order."""
    roles = {layout.constants.get(f"STACK_{role.upper()}"): role for role in ("trigger", "victim")}
    heads: list[tuple[TraceRecord, RecUserStack]] = []
    pieces: dict[tuple[int, bool], dict[int, bytes]] = {}
    for record in records:
        if record.kind is RecordKind.USER_STACK:
            heads.append((record, record.read(RecUserStack)))
        elif record.kind is RecordKind.USER_PIECE:
            piece = record.read(RecUserPiece)
            of = pieces.setdefault((piece.pid, record.seq is None), {})
            of[piece.address] = bytes(piece.memory[: piece.length])
    return [
        _stack(head, roles.get(head.role, "trigger"), pieces.get((head.pid, record.seq is None), {}))
        for record, head in heads
    ]


def _stack(head: RecUserStack, role: str, pieces: dict[int, bytes]) -> UserStack:
    memory, at = b"", head.sp
    while pieces.get(at):  # a piece that was lost ends it
        memory += pieces[at]
        at = head.sp + len(memory)
    words = head.registers[: head.registers_bytes // 8]
    return UserStack(
        role=role,
        tgid=head.tgid,
        pid=head.pid,
        comm=text_of(head.comm),
        registers=pack(f"<{len(words)}Q", *words),
        memory=memory,
        whole=len(pieces) < _PIECES or at == head.end,
    )


def without_memory(record: TraceRecord) -> bytes:
    """The record's bytes as they are to be kept: without what is a process's own."""
    struct = _OF_STACKS.get(record.kind)
    return record.raw if struct is None else record.raw[: record.least_bytes]

"""The raw stack → the call trace that the kernel prints (arch/x86/kernel/dumpstack.c, show_trace_log_lvl).

The kernel scans the stack word by word. A word that is the unwinder's next return address is a frame; any other word
that points into kernel text is printed with a ``?``.
"""

from __future__ import annotations

import re
from struct import unpack_from
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Union

from oomtrace.model import Frame, Registers, Stack
from oomtrace.wire.layout import text_of

NameOf = Callable[[int], Optional[str]]

_NAME = re.compile(r"(?P<symbol>.*)\+0x(?P<offset>[0-9a-f]+)/0x(?P<size>[0-9a-f]+)(?: \[(?P<module>[^\]]+)\])?$")
# struct pt_regs in its order (arch/x86/include/asm/ptrace.h)
_PT_REGS = "R15 R14 R13 R12 RBP RBX R11 R10 R09 R08 RAX RCX RDX RSI RDI ORIG_RAX RIP CS EFLAGS RSP SS".split()
_PRINTED = "RAX RBX RCX RDX RSI RDI RBP R08 R09 R10 R11 R12 R13 R14 R15".split()
_CODE_BEFORE = 42  # bytes before the instruction pointer (PROLOGUE_SIZE)


def decode(record: Any, pieces: List[Any], facts: Mapping[str, Any], name_of: NameOf) -> Stack:
    """The call trace and the registers under it."""
    frames = list(record.frames[: record.frame_bytes // 8])
    # The first frame is the probed function, or (7.x) its caller is found at sp itself.
    pending = frames[1:]
    entries: List[Union[Frame, str]] = []
    for word in _words(pieces, record.sp, record.stack_top):
        if pending and word == pending[0]:
            pending.pop(0)
            entries.append(frame(word, name_of(word)))
            continue
        name = name_of(word)
        if name is not None:
            entries.append(frame(word, name, False))
    registers = _registers(record, facts) if record.has_regs else None
    if facts.get("task_markers"):
        entries = ["<TASK>", *entries, "</TASK>"]
    return Stack(tuple(entries), registers)


def _words(pieces: List[Any], sp: int, top: int) -> Iterator[int]:
    """The words of the stack from sp up; pieces that could not be read are left out."""
    parts: Dict[int, bytes] = {piece.address: bytes(piece.bytes) for piece in pieces}
    for address in sorted(parts):
        for offset in range(0, len(parts[address]), 8):
            if sp <= address + offset < top:
                yield unpack_from("<Q", parts[address], offset)[0]


def frame(address: int, name: Optional[str], reliable: bool = True) -> Frame:
    """A return address and its name, "symbol+0x1/0x2 [module]" as ``%pB`` prints it."""
    match = _NAME.match(name) if name else None
    if match is None:
        return Frame(None, address=address, reliable=reliable)
    offset, size = int(match.group("offset"), 16), int(match.group("size"), 16)
    return Frame(match.group("symbol"), offset, size, match.group("module"), None, address, reliable)


def _registers(record: Any, facts: Mapping[str, Any]) -> Registers:
    values = dict(zip(_PT_REGS, record.regs))
    orig_ax = values["ORIG_RAX"]
    return Registers(
        cs=values["CS"] & 0xFFFF,
        ip=values["RIP"],
        code=_code(record, values["RIP"], facts),
        ss=values["SS"] & 0xFFFF,
        sp=values["RSP"],
        flags=values["EFLAGS"],
        orig_ax=None if orig_ax == (1 << 64) - 1 else orig_ax,
        general={name: values[name] for name in _PRINTED},
    )


def _code(record: Any, ip: int, facts: Mapping[str, Any]) -> str:
    """show_opcodes: 64 bytes around the instruction, which stands in <>."""
    if record.code_error:
        return str(facts.get("opcode_error", "Unable to access opcode bytes at 0x%x.")) % (ip - _CODE_BEFORE)
    code = bytes(record.code)
    before, at, after = code[:_CODE_BEFORE], code[_CODE_BEFORE], code[_CODE_BEFORE + 1 :]
    return f"{before.hex(' ')} <{at:02x}> {after.hex(' ')}"


def workqueue(record: Any, name_of: NameOf) -> Optional[str]:
    """What follows ``Workqueue: `` for a worker (kernel/workqueue.c, print_worker_info)."""
    name, description = text_of(record.workqueue), text_of(record.work_desc)
    if not record.work_func and not name:
        return None
    found = name_of(record.work_func + 1)
    function = found.split("+0x")[0] if found else f"0x{record.work_func:x}"
    return f"{name} {function}" + ("" if name == description else f" ({description})")



"""What was read of the stack → the call trace that the kernel prints.

On x86 (arch/x86/kernel/dumpstack.c, show_trace_log_lvl) the kernel scans the stack word by word. A word that is the
unwinder's next return address is a frame; any other word that points into kernel text is printed with a ``?``.
On arm64 (arch/arm64/kernel/stacktrace.c, dump_backtrace) it prints the frames alone, and each is read as it is printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import count
from struct import iter_unpack
from typing import Optional, Union

from oomtrace import arch
from oomtrace.model import Frame, Registers, Stack
from oomtrace.wire.layout import text_of
from oomtrace.wire.oom_records import NameOf, OomRecords
from oomtrace.wire.records import RecFrame, RecordKind, RecStack, RecStackPiece, RecTraceLine

_NAME = re.compile(r"(?P<symbol>.*)\+0x(?P<offset>[0-9a-f]+)/0x(?P<size>[0-9a-f]+)(?: \[(?P<module>[^\]]+)\])?$")
# struct pt_regs in its order (arch/x86/include/asm/ptrace.h)
_PT_REGS = "R15 R14 R13 R12 RBP RBX R11 R10 R09 R08 RAX RCX RDX RSI RDI ORIG_RAX RIP CS EFLAGS RSP SS".split()
_PRINTED = "RAX RBX RCX RDX RSI RDI RBP R08 R09 R10 R11 R12 R13 R14 R15".split()
_IP = _PT_REGS.index("RIP")
_KERNEL_CS = 0x10  # arch/x86/include/asm/segment.h, __KERNEL_CS
_PADDINGS = (0, 16)  # TOP_OF_KERNEL_STACK_PADDING, without and with FRED
_NO_ORIG_RAX = (1 << 64) - 1  # it is no system call


def decode(records: OomRecords, record: RecStack) -> Stack:
    """The call trace of a record and, where the kernel prints them, the registers under it."""
    machine = arch.find(records.facts.machine) or arch.X86_64
    return _scanned(records, record) if machine.scans_stack else _walked(records, record)


def _walked(records: OomRecords, record: RecStack) -> Stack:
    """Frame by frame, as printed. Where the kernel printed nothing: as it would have, from the probed function on."""
    lines = records.all(RecordKind.TRACE_LINE, RecTraceLine)
    if lines:
        return Stack(tuple(replace(_at(line.address, records.name_of), source=_source(line)) for line in lines))
    return Stack(tuple(_at(address, records.name_of) for address in record.frames[1 : record.frame_bytes // 8]))


def _source(line: RecTraceLine) -> Optional[str]:
    """What stands in brackets behind a frame: "C", "P", "CF"."""
    letters = (line.source, line.fgraph, line.kretprobe)
    return "".join(chr(letter) for letter in letters if letter) or None


def _scanned(records: OomRecords, record: RecStack) -> Stack:
    # Where the return addresses of the unwinder's frames lie; nowhere if the kernel did not walk the stack.
    positions = [frame.address for frame in records.all(RecordKind.FRAME, RecFrame)]
    words = dict(_words(records.all(RecordKind.STACK_PIECE, RecStackPiece), record.sp, record.stack_top))
    # The first frame is the probed function; its caller's return address lies at sp. (With
    # CONFIG_UNWINDER_FRAME_POINTER the caller is none of the frames: at the entry the frame pointer is still its own.)
    frames = list(record.frames[: record.frame_bytes // 8])[1:]
    trace = _StackScan((set(positions) or _located(words, frames)) | {record.sp}, words, records)
    trace.walk(record)
    entries: list[Union[Frame, str]] = trace.entries
    inner = trace.inner
    if records.facts.task_markers:
        entries = ["<TASK>", *entries, "</TASK>"]
        inner = [(at + 1, registers) for at, registers in inner]
    registers = _registers(record, records) if record.has_regs and _reached(record.stack_top, positions) else None
    return Stack(tuple(entries), registers, inner=tuple(inner))


def _reached(top: int, positions: Sequence[int]) -> bool:
    """Whether the unwinder came as far as the user's registers: then their instruction pointer is its last position.
    For a new process, on its way to user space, it ends before them (UNWIND_HINT_EMPTY in ret_from_fork)."""
    return not positions or any(top - pad - 8 * (len(_PT_REGS) - _IP) in positions for pad in _PADDINGS)


class _StackScan:
    """The kernel's scan of the stack, from its lowest word up."""

    def __init__(self, positions: set[int], words: Mapping[int, int], records: OomRecords) -> None:
        self.entries: list[Union[Frame, str]] = []
        self.inner: list[tuple[int, Registers]] = []
        self._positions, self._words, self._records = positions, words, records

    def walk(self, record: RecStack) -> None:
        """Fill in the entries, and the registers of a page fault in the kernel."""
        passed = 0  # where the instruction lies that page-faulted: it stands with the registers
        for address, word in self._words.items():
            name = self._records.name_of(word) if address != passed else None
            reliable = address in self._positions
            if name is None:  # no kernel text
                continue
            self.entries.append(frame(word, name, reliable))
            if reliable and self._fault(address + 8, record.fault_ip):
                passed = address + 8 + 8 * _IP
                self.inner.append((len(self.entries), self._fault_registers(address + 8, record)))

    def _fault(self, regs: int, fault_ip: int) -> bool:
        """Whether struct pt_regs lies there: the exception's entry has pushed it before it called on."""
        ip, cs = (self._words.get(regs + 8 * at) for at in (_IP, _IP + 1))
        return bool(fault_ip) and ip == fault_ip and cs == _KERNEL_CS

    def _fault_registers(self, regs: int, record: RecStack) -> Registers:
        values = [self._words.get(regs + 8 * at, 0) for at in range(len(_PT_REGS))]
        code = _code(bytes(record.fault_code), record.fault_code_error, record.fault_ip, self._records)
        return replace(_of(values, code), ip=None, ip_symbol=_instruction(record.fault_ip, self._records.name_of))


def _at(address: int, name_of: NameOf) -> Frame:
    """An instruction as ``%pS`` has it: its own address counts, not that before it as for a return address."""
    after = frame(address + 1, name_of(address + 1))
    return replace(after, address=address, offset=None if after.offset is None else after.offset - 1)


def _instruction(address: int, name_of: NameOf) -> str:
    """As ``%pS`` prints it."""
    at = _at(address, name_of)
    if at.symbol is None or at.offset is None:
        return f"0x{address:x}"
    module = f" [{at.module}]" if at.module else ""
    return f"{at.symbol}+0x{at.offset:x}/0x{at.size:x}{module}"


def _located(words: Mapping[int, int], frames: Sequence[int]) -> set[int]:
    """Where the frames' return addresses lie, judged by their values alone.

    From the last one down, as of two equal words the higher is the frame: the lower is a copy that a function called
    from it keeps for tracing. But where frame pointers lead from one of them to the frame above, it is that one: a
    return address has its caller's frame pointer below it, which points to the next such pair (unwind_next_frame,
    arch/x86/kernel/unwind_frame.c).
    """
    found: set[int] = set()
    below, above = sorted(words, reverse=True), 0
    for value in reversed(frames):
        equal = [i for i, address in enumerate(below) if words[address] == value]
        if equal:
            at = next((i for i in equal if above and words.get(below[i] - 8) == above - 8), equal[0])
            above = below[at]
            found.add(above)
            below = below[at + 1 :]
    return found


def _words(pieces: Sequence[RecStackPiece], sp: int, top: int) -> Iterator[tuple[int, int]]:
    """(address, word) of the stack from sp up; pieces that could not be read are left out."""
    parts: dict[int, bytes] = {piece.address: bytes(piece.bytes) for piece in pieces}
    for address in sorted(parts):
        for at, (word,) in zip(count(address, 8), iter_unpack("<Q", parts[address])):
            if sp <= at < top:
                yield at, word


def frame(address: int, name: Optional[str], reliable: bool = True) -> Frame:
    """A return address and its name, "symbol+0x1/0x2 [module]" as ``%pB`` prints it."""
    found = _named(name) if name else None
    if found is None:
        return Frame(None, address=address, reliable=reliable)
    return Frame(*found, address=address, reliable=reliable)


@lru_cache(maxsize=4096)
def _named(name: str) -> Optional[tuple[str, int, int, Optional[str]]]:
    """Symbol, offset, size and module; the same few names are in all traces."""
    match = _NAME.match(name)
    if match is None:
        return None
    return match.group("symbol"), int(match.group("offset"), 16), int(match.group("size"), 16), match.group("module")


def _registers(record: RecStack, records: OomRecords) -> Registers:
    return _of(record.regs, _code(bytes(record.code), record.code_error, record.regs[_IP], records))


def _of(regs: Sequence[int], code: str) -> Registers:
    values = dict(zip(_PT_REGS, regs))
    orig_ax = values["ORIG_RAX"]
    return Registers(
        cs=values["CS"] & 0xFFFF,
        ip=values["RIP"],
        code=code,
        ss=values["SS"] & 0xFFFF,
        sp=values["RSP"],
        flags=values["EFLAGS"],
        orig_ax=None if orig_ax == _NO_ORIG_RAX else orig_ax,
        general={name: values[name] for name in _PRINTED},
    )


def _code(code: bytes, error: int, ip: int, records: OomRecords) -> str:
    """show_opcodes: 64 bytes around the instruction, which stands in <>."""
    ahead = records.constants["CODE_BEFORE"]  # bytes before the instruction pointer (PROLOGUE_SIZE)
    if error:
        return records.facts.opcode_error % (ip - ahead)
    before, at, after = code[:ahead], code[ahead], code[ahead + 1 :]
    return f"{before.hex(' ')} <{at:02x}> {after.hex(' ')}"


def workqueue(record: RecStack, name_of: NameOf) -> Optional[str]:
    """What follows ``Workqueue: `` for a worker (kernel/workqueue.c, print_worker_info)."""
    name, description = text_of(record.workqueue), text_of(record.work_desc)
    if not record.work_func and not name:
        return None
    found = name_of(record.work_func + 1)
    function = found.split("+0x")[0] if found else f"0x{record.work_func:x}"
    return f"{name} {function}" + ("" if name == description else f" ({description})")

"""The scan of the raw stack, on stacks made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack
from typing import Any

from oomtrace.facts import Facts
from oomtrace.model import Frame, Stack
from oomtrace.wire import stack
from oomtrace.wire.layout import TraceRecord
from oomtrace.wire.records import RecordKind, RecStack
from tests.wire.made import oom_records, record

SP = 0xFFFFC90000001000
TEXT = {0x1010: "callee+0x10/0x20", 0x2010: "caller+0x10/0x40", 0x3010: "entry+0x10/0x20"}
FAULT_IP, AFTER_FAULT = 0x4008, 0x4009
NAMES = {**TEXT, 0x5010: "asm_exc_page_fault+0x26/0x30", FAULT_IP: "read_zero+0x73/0xc0",
         AFTER_FAULT: "read_zero+0x74/0xc0", 0x6010: "stale+0x1/0x2"}


def _trace(words: Sequence[int], frames: Sequence[int], positions: Sequence[int] = (), **more: Any) -> Stack:
    data = b"".join(pack("<Q", word) for word in words)
    head = record(RecordKind.STACK, sp=SP, stack_top=SP + len(data), frames=[0x1, *frames],
                  frame_bytes=8 * (len(frames) + 1), **more)
    pieces = [record(RecordKind.STACK_PIECE, address=SP + at, bytes=data[at : at + 256].ljust(256, b"\0"))
              for at in range(0, len(data), 256)]
    walked = [record(RecordKind.FRAME, address=at) for at in positions]
    return stack.decode(oom_records(head, *pieces, *walked, names=NAMES), head.read(RecStack))


def _shown(found: Stack) -> list[str]:
    return [("" if e.reliable else "? ") + str(e.symbol) for e in found.entries if isinstance(e, Frame)]


# callee keeps its caller's return address for tracing, below the frame itself
TWICE = (0x1010, 0, 0x2010, 0x2010, 0x6010, 0x3010)


def test_of_two_equal_words_the_kernels_is_the_frame() -> None:
    higher = _trace(TWICE, (0x1010, 0x2010, 0x3010), (SP, SP + 24, SP + 40))
    assert _shown(higher) == ["callee", "? caller", "caller", "? stale", "entry"]
    lower = _trace(TWICE, (0x1010, 0x2010, 0x3010), (SP, SP + 16, SP + 40))
    assert _shown(lower) == ["callee", "caller", "? caller", "? stale", "entry"]


def test_without_the_kernels_walk_the_higher_word_is_the_frame() -> None:
    assert _shown(_trace(TWICE, (0x1010, 0x2010, 0x3010))) == ["callee", "? caller", "caller", "? stale", "entry"]


def test_without_orc_the_caller_of_the_probed_function_has_no_frame_yet() -> None:
    """CONFIG_UNWINDER_FRAME_POINTER: at the function's entry the frame pointer is still its caller's."""
    assert _shown(_trace(TWICE, (0x2010, 0x3010))) == ["callee", "? caller", "caller", "? stale", "entry"]


def test_without_orc_frame_pointers_lead_to_the_frame_of_two_equal_words() -> None:
    chained = (0x1010, SP + 32, 0x2010, 0x2010, SP + 48, 0x3010)
    assert _shown(_trace(chained, (0x2010, 0x3010))) == ["callee", "caller", "? caller", "entry"]


def test_a_frame_that_is_not_on_the_stack_does_not_spoil_the_others() -> None:
    assert _shown(_trace(TWICE, (0x1010, 0x7777, 0x3010))) == ["callee", "? caller", "? caller", "? stale", "entry"]


def _fault_words(cs: int) -> list[int]:
    regs: dict[int, int] = {at: 0x100 + at for at in range(21)}
    regs.update({15: (1 << 64) - 1, 16: FAULT_IP, 17: cs, 18: 0x50206, 19: SP, 20: 0x18})
    return [0x1010, 0x5010, *(regs[at] for at in range(21)), 0x3010]


def test_page_fault_in_the_kernel() -> None:
    code = bytes(range(64))
    found = _trace(_fault_words(0x10), (0x1010, 0x5010, FAULT_IP, 0x3010), fault_ip=FAULT_IP, fault_code=code)
    assert _shown(found) == ["callee", "asm_exc_page_fault", "entry"]
    ((before, registers),) = found.inner
    assert before == 2
    assert registers.ip_symbol == "read_zero+0x73/0xc0" and (registers.cs, registers.ss) == (0x10, 0x18)
    assert registers.orig_ax is None and registers.flags == 0x50206 and registers.general["RAX"] == 0x10A
    assert registers.code is not None and registers.code.startswith("00 01 02") and " <2a> " in registers.code


def test_no_registers_where_none_lie() -> None:
    found = _trace(_fault_words(0x33), (0x1010, 0x5010, FAULT_IP, 0x3010), fault_ip=FAULT_IP)
    assert not found.inner and "read_zero" in _shown(found)


def test_registers_where_the_kernels_unwinder_comes_as_far() -> None:
    words = [0x1010, 0x3010, *range(21)]
    ip = SP + 8 * 18
    frames, registers = (0x1010, 0x3010), {"has_regs": 1, "regs": list(range(21))}
    assert _trace(words, frames, (SP, SP + 8, ip), **registers).registers is not None
    assert _trace(words, frames, (SP, SP + 8), **registers).registers is None, "a new process has none yet"
    assert _trace(words, frames, (), **registers).registers is not None, "the kernel did not walk"
    padded = _trace([*words, 0, 0], frames, (SP, SP + 8, ip), **registers)
    assert padded.registers is not None, "with FRED"


def _walked(*more: TraceRecord, frames: Sequence[int] = (), **facts: Any) -> Stack:
    head = record(RecordKind.STACK, frames=frames, frame_bytes=8 * len(frames))
    return stack.decode(oom_records(head, *more, names=NAMES, facts=Facts(machine="aarch64", **facts)),
                        head.read(RecStack))


def test_where_the_kernel_prints_its_frames_each_is_as_printed() -> None:
    lines = [record(RecordKind.TRACE_LINE, address=0x1010 - 1, source=ord("C"), kretprobe=ord("K")),
             record(RecordKind.TRACE_LINE, address=0x9999)]
    named, nameless = _walked(*lines, frames=(1, 2, 3)).entries
    assert named == Frame("callee", 0xF, 0x20, address=0x100F, source="CK"), "the address itself, not that before it"
    assert nameless == Frame(None, address=0x9999)


def test_where_the_kernel_printed_no_frames_those_from_the_probed_function_on() -> None:
    found = _walked(frames=(0x6010 - 1, 0x1010 - 1, 0x2010 - 1))
    assert _shown(found) == ["callee", "caller"] and found.registers is None

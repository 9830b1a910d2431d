"""Records of where processes were in their own code → stacks, and what is kept of them in files."""

from __future__ import annotations

from oomtrace.model import Charge
from oomtrace.wire.layout import TraceRecord
from oomtrace.wire.records import RecordKind
from oomtrace.wire.samples import Sample, kind_of, samples, thinned
from oomtrace.wire.userstack import UserStack, stacks, without_memory
from tests.wire.made import LAYOUT, record

SP = 0x7FFD00000F00


def head(role: str, pid: int, seq: "int | None" = 0, **fields: int) -> TraceRecord:
    known = {"tgid": 7, "sp": SP, "registers_bytes": 168, **fields}
    return record(RecordKind.USER_STACK, seq, role=LAYOUT.constants[f"STACK_{role.upper()}"], pid=pid, comm=b"hog",
                  registers=[1, 2, 3], **known)


def piece(address: int, memory: bytes, pid: int, seq: "int | None" = 1) -> TraceRecord:
    return record(RecordKind.USER_PIECE, seq, address=address, pid=pid, length=len(memory), memory=memory)


def test_pieces_in_any_order_are_one_copy() -> None:
    found = stacks([piece(SP + 0x100, b"b" * 16, 9), head("trigger", 9), piece(SP, b"a" * 0x100, 9)], LAYOUT)
    (stack,) = found
    assert (stack.role, stack.tgid, stack.pid, stack.comm) == ("trigger", 7, 9, "hog")
    assert stack.memory == b"a" * 0x100 + b"b" * 16 and stack.whole
    assert len(stack.registers) == 168 and stack.registers[:16] == (1).to_bytes(8, "little") + (2).to_bytes(8, "little")


def test_a_thread_that_asks_and_dies_has_two_copies() -> None:
    found = stacks([head("trigger", 9), piece(SP, b"asks", 9), head("victim", 9, None), piece(SP, b"dies", 9, None)],
                   LAYOUT)
    assert [(stack.role, stack.memory) for stack in found] == [("trigger", b"asks"), ("victim", b"dies")]


def test_a_lost_piece_ends_the_copy() -> None:
    (stack,) = stacks([head("trigger", 9), piece(SP + 0x100, b"b", 9)], LAYOUT)
    assert stack.memory == b""


def test_a_copy_that_reached_its_size_is_cut_off_unless_the_stack_ends_there() -> None:
    pieces = [piece(SP + 0x1000 * i, b"a" * 0x1000, 9) for i in range(9)]
    (cut,), (whole,) = (stacks([head("trigger", 9, end=end), *pieces], LAYOUT) for end in (0, SP + 0x9000))
    assert not cut.whole and whole.whole


def test_a_kernel_thread_has_no_registers() -> None:
    (stack,) = stacks([head("trigger", 9, registers_bytes=0, sp=0)], LAYOUT)
    assert not stack.registers and not stack.memory


def test_what_is_kept_has_nothing_of_the_process() -> None:
    secret = b"correct horse battery staple"
    kept = [without_memory(each) for each in (head("trigger", 9), piece(SP, secret, 9))]
    assert not any(secret in data or (3).to_bytes(8, "little") in data[60:] for data in kept)
    records = [LAYOUT.decode(data) for data in kept]  # they still count in the sequence
    assert [(each.kind, each.seq) for each in records] == [(RecordKind.USER_STACK, 0), (RecordKind.USER_PIECE, 1)]
    (stack,) = stacks(records, LAYOUT)
    assert stack.pid == 9 and not stack.memory.strip(b"\0")


NAMES = {1: "try_charge_memcg+0x1/0x2", 2: "charge_memcg+0x1/0x2", 3: "shmem_add_to_page_cache.isra.0+0x1/0x2",
         4: "__filemap_add_folio+0x1/0x2", 5: "obj_cgroup_charge_pages+0x1/0x2", 6: "__handle_mm_fault+0x1/0x2"}


def test_the_innermost_function_that_tells_is_the_kind() -> None:
    def kind(*words: int) -> "Charge | None":
        return kind_of(words, NAMES.get)

    assert kind(1, 99, 2, 6) is Charge.ANON
    assert kind(1, 2, 3, 6) is Charge.SHMEM
    assert kind(1, 2, 4, 6) is Charge.FILE
    assert kind(1, 5, 6) is Charge.KERNEL
    assert kind(1, 2) is None


def sampled(pid: int, pages: int, time_ns: int, memory: bytes = b"") -> TraceRecord:
    return record(RecordKind.SAMPLE, None, time_ns=time_ns, tgid=pid, pid=pid, pages=pages, memcgs=[11, 12], sp=SP,
                  registers_bytes=168, length=len(memory), memory=memory, kernel=[2, 6], comm=b"hog")


def test_samples_of_a_ring_come_oldest_first_and_without_what_is_cut_off() -> None:
    raw = [sampled(7, 64, 30).raw, sampled(8, 128, 20, b"stack").raw, sampled(7, 64, 10).raw[:90]]
    found = samples(raw, LAYOUT, NAMES.get)
    assert [(each.time_ns, each.pages, each.stack.tgid) for each in found] == [(20, 128, 8), (30, 64, 7)]
    assert found[0].memcgs == (11, 12) and found[0].kind is Charge.ANON and found[0].stack.memory == b"stack"


def test_fewer_samples_stand_for_as_much() -> None:
    stack = {pid: UserStack("sample", pid, pid, "hog", b"", b"", True) for pid in (1, 2)}
    many = [Sample(at, at % 7, (11,), None, False, stack[1 + at % 3 // 2]) for at in range(1000)]
    few = thinned(many, 100)
    assert 100 <= len(few) <= 102
    for pid in (1, 2):
        pages = [sum(each.pages for each in found if each.stack.pid == pid) for found in (many, few)]
        assert pages[0] == pages[1]
    assert thinned(many, 2000) == many

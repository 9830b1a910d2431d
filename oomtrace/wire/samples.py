"""Records → who charged, where in its code: the samples of --stacks, raw, for oomtrace/code/ to make frames of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from struct import pack
from typing import Optional

from oomtrace.model import Charge
from oomtrace.wire.layout import Layout, text_of
from oomtrace.wire.oom_records import NameOf
from oomtrace.wire.records import RecordKind, RecPython, RecSample
from oomtrace.wire.userstack import UserStack

MOST = 512  # that frames are made of: more take their time, and tell little more

# The part of the kernel that charges, by the functions that the charge comes through: the innermost of them counts.
# (mm/memcontrol.c and its callers; charges for tmpfs go through shmem's own functions, not through filemap's.)
_KINDS = (
    (Charge.SHMEM, re.compile(r"shmem_")),
    (Charge.FILE, re.compile(r"(__)?(filemap_add|add_to_page_cache)")),
    (Charge.KERNEL, re.compile(r"(__)?(obj_cgroup_charge|memcg_kmem_charge|memcg_charge_kernel_stack|"
                               r"memcg_slab_post_alloc|mem_cgroup_charge_skmem|mem_cgroup_sk_charge|"
                               r"memcg_charge_kmem|charge_memcg_objects)")),
    (Charge.ANON, re.compile(r"(__)?(do_anonymous_page|handle_mm_fault|wp_page_copy|do_wp_page|do_swap_page|"
                             r"do_cow_fault|do_huge_pmd|alloc_anon_folio|mem_cgroup_swapin|migrate_|collapse_)")),
)


# Frames of CPython, innermost first: code object, instruction, owner, entry (struct python_frame, bpf/records.h).
Running = tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True)
class Sample:
    """``pages`` is what the process has charged to the memcg since the sample before. ``memcgs``: addresses, the
    process's own first, then the ancestors'. ``interrupt``: the task is just anyone."""

    time_ns: int
    pages: int
    memcgs: tuple[int, ...]
    kind: Optional[Charge]
    interrupt: bool
    stack: UserStack
    running: Optional[Running] = None  # in an interpreter of Python that has been looked at


def samples(raw: Iterable[bytes], layout: Layout, name_of: NameOf) -> list[Sample]:
    """The samples of a ring, oldest first; what is cut off is left out."""
    found, running = [], {}
    for data in raw:
        try:
            record = layout.decode(data)
        except ValueError:
            continue
        if record.kind is RecordKind.SAMPLE:
            taken = record.read(RecSample)
            if not _charged_before(taken):
                found.append(_sample(record.time_ns, taken, name_of))
        elif record.kind is RecordKind.PYTHON:
            body = record.read(RecPython)
            running[body.pid, record.time_ns] = tuple(
                (one.code, one.instruction, one.owner[0], one.entry[0]) for one in body.running[: body.count]
            )
    found = [_with(sample, running.get((sample.stack.pid, sample.time_ns))) for sample in found]
    return sorted(found, key=lambda sample: sample.time_ns)


def _charged_before(body: RecSample) -> bool:
    """Whether it is khugepaged's: it makes a huge page of pages that somebody has charged, and these are given back."""
    return not body.registers_bytes and not body.interrupt and text_of(body.comm) == "khugepaged"


def _with(sample: Sample, running: Optional[Running]) -> Sample:
    return sample if running is None else replace(sample, running=running)


def _sample(time_ns: int, body: RecSample, name_of: NameOf) -> Sample:
    words = body.registers[: body.registers_bytes // 8]
    memory = bytes(body.memory[: body.length])
    stack = UserStack(
        role="sample",
        tgid=body.tgid,
        pid=body.pid,
        comm=text_of(body.comm),
        registers=pack(f"<{len(words)}Q", *words),
        memory=memory,
        whole=len(memory) < len(body.memory) or body.sp + len(memory) == body.end,
    )
    memcgs = tuple(address for address in body.memcgs if address)
    return Sample(time_ns, body.pages, memcgs, kind_of(body.kernel, name_of), bool(body.interrupt), stack)


def kind_of(words: Sequence[int], name_of: NameOf) -> Optional[Charge]:
    """What is charged for, by what lies on the kernel's stack from the charge up; None if nothing there tells."""
    for word in words:
        name = name_of(word)
        if name is None:
            continue
        for kind, pattern in _KINDS:
            if pattern.match(name):
                return kind
    return None


def thinned(found: Sequence[Sample], most: int = MOST) -> list[Sample]:
    """At most about so many: of so many in a row of one process, the last one stands for all of them."""
    step = -(-len(found) // most)
    if step <= 1:
        return list(found)
    kept: list[Sample] = []
    rows: dict[tuple[int, tuple[int, ...]], list[Sample]] = {}
    for sample in found:
        row = rows.setdefault((sample.stack.tgid, sample.memcgs), [])
        row.append(sample)
        if len(row) == step:
            kept.append(_sum(row))
            row.clear()
    kept += [_sum(row) for row in rows.values() if row]
    return sorted(kept, key=lambda sample: sample.time_ns)


def _sum(row: Sequence[Sample]) -> Sample:
    return replace(row[-1], pages=sum(sample.pages for sample in row))

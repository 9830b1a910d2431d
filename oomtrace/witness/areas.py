"""Mappings of a process, and what each is for, as far as its shape tells (maps and smaps, fs/proc/task_mmu.c).

Names are the kernel's word. That a mapping is a thread's stack, a JVM's heap or Python's arenas is concluded: from
its size, its neighbours and its address, as the sources of those programs lay them out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from oomtrace.model import Area

from .mounts import MEMORY, Mount

_LINE = rb"^([0-9a-f]+)-([0-9a-f]+) (....) [0-9a-f]+ ([0-9a-f]+:[0-9a-f]+) (\d+) *([^\n]*)$"
_HEADER = re.compile(_LINE, re.MULTILINE)
_NUMBER = re.compile(rb"^(Rss|Anonymous|Swap|Locked|AnonHugePages|ShmemPmdMapped|FilePmdMapped|Shared_Hugetlb|"
                     rb"Private_Hugetlb): +(\d+) kB$", re.MULTILINE)
_HUGE = ("AnonHugePages", "ShmemPmdMapped", "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb")

_GUARD_KB = 64  # at most: glibc has 4, musl 8, a JVM 16
_STACK_KB = 1 << 16
_ARENA_KB = 64 << 10  # glibc, malloc/arena.c: HEAP_MAX_SIZE
_PYTHON = re.compile(r"(?:python|pypy)(?:3\.(\d+))?")
_PYTHON_OLD_BYTES, _PYTHON_BYTES = 256 << 10, 1 << 20  # Objects/obmalloc.c: ARENA_SIZE up to 3.9, and since
_GO = range(0xC000000000, 0xC000000000 + (1 << 39))  # runtime/malloc.go: where arenas begin on 64 bits
_JVM_KB = 8 << 10
_CLASSES_BYTES = 1 << 30  # hotspot, globals.hpp: CompressedClassSpaceSize
_CLASSES_FIRST_BYTES = 16 << 20  # at most: what of it is committed first, and so in one mapping with a full heap


@dataclass
class Region:
    """A mapping. Sizes in kB; ``rss_kb`` None: it is from maps, which has none."""

    start: int
    end: int
    perms: str
    device: str  # "0:1f" as maps has it, in hexadecimal
    inode: int
    name: str
    rss_kb: Optional[int] = None
    anonymous_kb: Optional[int] = None
    swap_kb: Optional[int] = None
    locked_kb: Optional[int] = None
    huge_kb: Optional[int] = None

    @property
    def size_kb(self) -> int:
        return (self.end - self.start) >> 10

    @property
    def is_anonymous(self) -> bool:
        """Private, without a file, and without a name."""
        return not self.inode and not self.name


def regions(data: bytes) -> list[Region]:
    """The mappings in a maps or smaps file, or in the beginning of one: what is cut off at the end is left out."""
    heads = list(_HEADER.finditer(data))
    found = []
    for number, head in enumerate(heads):
        name = head[6].decode("utf-8", "surrogateescape").rstrip()
        region = Region(int(head[1], 16), int(head[2], 16), head[3].decode(), _device(head[4]), int(head[5]), name)
        end = heads[number + 1].start() if number + 1 < len(heads) else len(data)
        if end - head.end() > 1:
            _measure(region, data[head.end():end])
        found.append(region)
    return found


def _device(text: bytes) -> str:
    """maps says it in hexadecimal, mountinfo in decimal."""
    major, _, minor = text.partition(b":")
    return f"{int(major, 16)}:{int(minor, 16)}"


def _measure(region: Region, block: bytes) -> None:
    numbers = {name.decode(): int(value) for name, value in _NUMBER.findall(block)}
    region.rss_kb = numbers.get("Rss")
    region.anonymous_kb, region.swap_kb = numbers.get("Anonymous"), numbers.get("Swap")
    region.locked_kb = numbers.get("Locked")
    known = [numbers[name] for name in _HUGE if name in numbers]
    region.huge_kb = sum(known) if known else None
    if region.rss_kb is not None:  # what hugetlb has is in no Rss
        region.rss_kb += numbers.get("Shared_Hugetlb", 0) + numbers.get("Private_Hugetlb", 0)


def classified(
    all: Sequence[Region], exe: Optional[str], threads: Optional[int], devices: Mapping[str, Mount],
) -> Iterator[tuple[Area, Optional[str], Region]]:
    """What each mapping is, with its name. ``devices``: the mounts that the process sees, by device."""
    program = (exe or "").rpartition("/")[2].replace(" (deleted)", "")
    names = " ".join(region.name.rpartition("/")[2] for region in all if region.inode)
    java, classes = _java(all) if program == "java" or "libjvm.so" in names else (frozenset(), frozenset())
    python = _PYTHON.match(program) or re.search(r"\blib" + _PYTHON.pattern, names)
    arena = _PYTHON_OLD_BYTES if python and int(python[1] or 10) < 10 else _PYTHON_BYTES
    stacks = 0
    for at, region in enumerate(all):
        before, after = all[at - 1] if at else None, all[at + 1] if at + 1 < len(all) else None
        if not region.is_anonymous:
            area, name = _named(region, devices)
        elif at in java:
            area, name = Area.JVM_HEAP, None
        elif region.perms == "---p":
            continue  # reserved, or a guard
        elif at in classes:
            area, name = Area.ANONYMOUS, None
        elif region.start in _GO and not python and not java:
            area, name = Area.GO_HEAP, None
        elif _is_arena(region, after):
            area, name = Area.MALLOC_ARENAS, None
        elif _is_stack(region, before) and stacks < max(0, (threads or 1) - 1):
            area, name = Area.THREAD_STACKS, None
            stacks += 1
        elif python and region.size_kb % (arena >> 10) == 0:  # aligned to a page alone, several side by side
            area, name = Area.PYTHON_ARENAS, None
        else:
            area, name = Area.ANONYMOUS, None
        yield area, name, region


_Z_HEAP = "/memfd:java_heap"  # of ZGC

# The kernel's own names, and whether a part of the name is somebody's choice.
_BY_NAME = (
    ("[heap]", Area.HEAP, False), ("[stack", Area.STACK, False), (_Z_HEAP, Area.JVM_HEAP, False),
    ("/memfd:", Area.MEMFD, True),
    ("/SYSV", Area.SYSV, True), ("/dev/zero", Area.SHARED, False), ("/anon_hugepage", Area.HUGETLB, False),
)


def _named(region: Region, devices: Mapping[str, Mount]) -> tuple[Area, Optional[str]]:
    name = region.name
    if name.startswith(("[anon:", "[anon_shmem:")):
        inner = name.partition(":")[2].rstrip("]").strip()
        return (Area.GO_HEAP if inner.startswith("Go: heap") else Area.NAMED), inner
    for prefix, area, keeps in _BY_NAME:
        if name.startswith(prefix):
            return area, name[1:].replace(" (deleted)", "") if keeps else None
    mount = devices.get(region.device)
    kind = mount.fs_type if mount is not None else ""
    if kind == "hugetlbfs":
        return Area.HUGETLB, name
    if kind in MEMORY and kind != "devtmpfs":
        return Area.TMPFS, name
    if name.startswith("/dev/") or name.startswith("anon_inode:"):
        return Area.DEVICE, name
    return (Area.FILE, name) if region.inode else (Area.OTHER, name or None)


def _is_stack(region: Region, before: Optional[Region]) -> bool:
    """A thread's stack has a guard below it (pthread_attr_setguardsize(3))."""
    return (before is not None and before.end == region.start and before.perms == "---p" and before.is_anonymous
            and before.size_kb <= _GUARD_KB and region.size_kb <= _STACK_KB and region.perms.startswith("rw"))


def _is_arena(region: Region, after: Optional[Region]) -> bool:
    """glibc reserves 64 MiB for each, aligned to that, and opens it from its beginning."""
    if region.start % (_ARENA_KB << 10):
        return False
    reserved = after.size_kb if after is not None and after.start == region.end and after.perms == "---p" else 0
    return (region.size_kb + reserved) % _ARENA_KB == 0


def _java(all: Sequence[Region]) -> tuple[frozenset[int], frozenset[int]]:
    """The heap of a JVM is reserved in one piece, of which a part is committed: of such pieces the one with most
    memory in it. The numbers of its mappings, and of those of its classes if they lie right above it."""
    nothing: frozenset[int] = frozenset()
    if any(region.name.startswith(_Z_HEAP) for region in all):
        return nothing, nothing
    runs: list[list[int]] = []
    for at, region in enumerate(all):
        joined = runs and runs[-1] and runs[-1][-1] == at - 1 and all[at - 1].end == region.start
        if not region.is_anonymous or not region.perms.endswith("p"):
            continue
        if joined:
            runs[-1].append(at)
        else:
            runs.append([at])
    archive = any(region.name.endswith(".jsa") for region in all)
    parts = [(run, []) if archive else _without_classes(all, run) for run in runs]
    large = [heap for heap, _ in parts if all[heap[-1]].end - all[heap[0]].start >= _JVM_KB << 10]
    best = max(large, key=lambda run: (sum(all[at].rss_kb or 0 for at in run), all[run[-1]].end - all[run[0]].start),
               default=[])
    return frozenset(best), frozenset(at for heap, classes in parts if heap == best for at in classes)


def _without_classes(all: Sequence[Region], run: list[int]) -> tuple[list[int], list[int]]:
    """Without an archive of classes, the space for compressed class pointers lies right above the heap (metaspace.cpp,
    global_initialize). Its size is the same in nearly all JVMs; its beginning is committed."""
    begins = all[run[-1]].end - _CLASSES_BYTES
    for at, number in enumerate(run):
        region = all[number]
        if region.start == begins and at and region.perms.startswith("rw"):
            return run[:at], run[at:]
        if region.start < begins < region.end <= begins + _CLASSES_FIRST_BYTES and region.perms.startswith("rw"):
            return run[:at + 1], run[at + 1:]
    return run, []

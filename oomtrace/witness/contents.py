"""What the memory is, of a memcg or of the machine: joins the readers of anonymous, shared, cached and kernel parts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Callable, Optional

from oomtrace.model import Aspect, KernelItem, KernelMemory, KernelUse, Missed, PageCache, SharedMemory, TaskMemory

from . import anonymous
from .areas import Region, regions
from .buffers import Buffers
from .cache import Cache
from .descriptors import Opened, opened
from .machine import Kernel, slabs
from .meter import Meter
from .mounts import Mounts
from .proc import Process
from .shared import Shared

_IN_FULL = 5  # tasks whose mappings are read
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
_MAPS = 1 << 18
_LEAST_BYTES = 512 << 10  # of a kind of memory, for it to be looked into

# memory.stat of cgroup v2, and its name on v1 with all below.
_ANON, _SHMEM, _FILE = ("anon", "total_rss"), ("shmem", "total_shmem"), ("file", "total_cache")
_COUNTERS = (
    (KernelUse.SLAB, "slab"), (KernelUse.PAGE_TABLES, "pagetables"), (KernelUse.STACKS, "kernel_stack"),
    (KernelUse.PERCPU, "percpu"), (KernelUse.VMALLOC, "vmalloc"), (KernelUse.SOCKET, "sock"),
    (KernelUse.ZSWAP, "zswap"), (KernelUse.HUGETLB, "hugetlb"),
)


class Contents:
    """Of one look. ``counters``: the memcg's memory.stat, and ``usage`` in bytes; None of the whole machine, whose part
    ``kernel`` reads, with that share of the budget. ``host_ns``: the mount namespace of this machine itself."""

    def __init__(self, root: str, meter: Meter, wanted: frozenset[Aspect], counters: Optional[Mapping[str, int]],
                 usage: Optional[int], host: Mounts, host_ns: Optional[str], clock: Callable[[], int], kernel: Kernel,
                 kernel_share: float) -> None:
        self._root, self._meter, self._clock = root, meter, clock
        self._counters, self._usage = counters, usage
        self._wanted = wanted
        self._tasks: list[TaskMemory] = []
        self._shared = Shared(root, meter, host_ns) if self._is_wanted(Aspect.SHARED, _SHMEM) else None
        self._cache = Cache(host, meter) if self._is_wanted(Aspect.CACHE, _FILE) else None
        self._buffers = Buffers(meter) if Aspect.KERNEL in wanted else None
        whole = counters is None and Aspect.KERNEL in wanted
        self._machine = kernel.memory(meter, clock(), kernel_share) if whole else None
        self._added = 0
        self._whole = True

    def add(self, pids: Sequence[int]) -> None:
        """Look into processes."""
        for pid in pids:
            if not self._meter.left_ns:
                self._whole = False
                for aspect in sorted(self._wanted - {Aspect.WHO, Aspect.CONTAINER}):
                    self._meter.cut(aspect, Missed.BUDGET, "further processes")
                break
            self._add(pid, Aspect.ANONYMOUS in self._wanted and self._added < _IN_FULL)
            self._added += 1

    def add_holders(self, others: Sequence[int], all: bool) -> None:
        """What further processes have open. ``all``: with them these are all processes of the memcg."""
        all = all and self._whole
        for pid in others if self._shared is not None else ():
            if self._meter.over(Aspect.SHARED, "who has files open among further processes"):
                all = False
                break
            self._add_holder(pid)
        if not all and self._shared is not None:
            self._shared.incomplete()

    @property
    def tasks(self) -> tuple[TaskMemory, ...]:
        """What the memory of processes is."""
        return tuple(self._tasks)

    @property
    def shared(self) -> Optional[SharedMemory]:
        """What tmpfs and shared memory are."""
        if self._shared is None:
            return None
        self._shared.segments()
        return self._shared.found(self._clock())

    @property
    def cache(self) -> Optional[PageCache]:
        """What the page cache is."""
        return self._cache.found(self._counters or {}, self._clock()) if self._cache is not None else None

    def kernel(self, slabinfo: Optional[str]) -> Optional[KernelMemory]:
        """What the kernel's part is. ``slabinfo``: of the memcg, which cgroup v1 shows."""
        if self._buffers is None:
            return None
        now_ns, found = self._clock(), self._buffers.found()
        if self._machine is not None:
            return replace(self._machine, items=(*self._machine.items, *found))
        if self._counters is None:
            return None
        items = [KernelItem(use, self._counters[name] >> 10, source="memory.stat")
                 for use, name in _COUNTERS if self._counters.get(name, 0) >= 1024]
        caches = slabs(slabinfo, KernelUse.SLAB, "memory.kmem.slabinfo") if slabinfo else []
        return KernelMemory((*items, *caches, *found), time_ns=now_ns)

    def _is_wanted(self, aspect: Aspect, names: Sequence[str]) -> bool:
        """Not where the memcg has next to nothing of that kind."""
        if aspect not in self._wanted:
            return False
        known = self._counter(names)
        return known is None or known >= _LEAST_BYTES

    @property
    def _much_is_kernels(self) -> bool:
        """An eighth of the memcg's usage, or more, is neither of processes nor page cache: it may be in buffers."""
        known = self._counter(_ANON), self._counter(_FILE)
        others = (self._usage or 0) - sum(each or 0 for each in known)
        return None not in known and self._usage is not None and others * 8 >= self._usage

    def _counter(self, names: Sequence[str]) -> Optional[int]:
        known = [self._counters[name] for name in names if name in self._counters] if self._counters else []
        return known[0] if known else None

    def _add(self, pid: int, in_full: bool) -> None:
        try:
            process = Process(self._root, pid)
        except OSError:
            return  # said already by who asked who it is
        with process:
            descriptors: list[Opened] = []
            if (self._shared, self._cache, self._buffers) != (None, None, None):
                descriptors, whole = opened(process, self._meter, Aspect.SHARED)
                self._whole = self._whole and whole
            if self._buffers is not None and self._much_is_kernels:
                self._buffers.add(process, descriptors, leave_ns=self._meter.left_ns // 2)
            if (self._counter(_FILE) or 0) <= (self._counter(_ANON) or 0):
                self._add_files(process, self._add_mappings(process, in_full), descriptors)
            else:  # first what there is most of: smaps takes most of the time
                self._add_files(process, regions(process.read("maps", _MAPS) or b""), descriptors)
                self._add_mappings(process, in_full)
            if self._buffers is not None and not self._much_is_kernels:
                self._buffers.add(process, descriptors)

    def _add_mappings(self, process: Process, in_full: bool) -> list[Region]:
        """Returns them."""
        if not in_full or self._meter.over(Aspect.ANONYMOUS, f"process {process.pid}"):
            return []
        task, mapped = anonymous.memory(process, self._meter, self._clock(), _PAGE_KB)
        self._tasks += [task] if task is not None else []
        return mapped

    def _add_files(self, process: Process, mapped: list[Region], descriptors: list[Opened]) -> None:
        """What it has open or mapped."""
        if self._shared is not None and not self._meter.over(Aspect.SHARED, f"process {process.pid}"):
            self._shared.add(process, mapped or None, descriptors)
        if self._cache is not None and not self._meter.over(Aspect.CACHE, f"process {process.pid}"):
            self._cache.add(process, descriptors, mapped)

    def _add_holder(self, pid: int) -> None:
        try:
            process = Process(self._root, pid)
        except OSError:
            return
        with process:
            if self._shared is not None:
                self._shared.add(process)

"""One look: which processes, in which order, what is read of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Callable, Optional

from oomtrace.model import Aspect, Container, Identity, Look, Missed, Occasion

from .containers import Containers
from .contents import Contents
from .machine import Kernel
from .memcgs import Memcgs
from .meter import Budget, Meter
from .mounts import OwnMounts
from .people import People
from .proc import Process
from .tree import plain

_LARGEST = 10  # tasks that are told of, besides those asked for
_COUNTED = 512  # processes whose size is asked for, to find the largest
_KERNEL_AT_OOM, _KERNEL_BEFORE = 0.5, 0.75  # of the budget, for the kernel's part of the machine
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024

ALL = frozenset(Aspect)
USUAL = Budget()


def boot_ns() -> int:
    """The boot clock, which times of the kernel's events are of."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Reader:
    """Looks at memcgs. It remembers containers and their users from one look to the next.

    ``root``: the folder that has /proc, /sys and the rest of the machine. ``cmdline`` False: no command line is read.
    """

    def __init__(self, root: str = "/", cmdline: bool = True, clock: Callable[[], int] = boot_ns) -> None:
        self._root = root.rstrip("/")
        self._clock = clock
        self._mounts = OwnMounts(f"{self._root}/proc/self/mountinfo")
        self._memcgs = Memcgs(self._root, self._mounts)
        self._people = People(self._root, self._memcgs, self._mounts, cmdline)
        self._containers = Containers(self._root)
        self._kernel = Kernel(self._root)

    def look(
        self, memcg: Optional[str], pids: Sequence[int] = (), budget: Budget = USUAL,
        occasion: Occasion = Occasion.OOM, aspects: Iterable[Aspect] = ALL,
    ) -> Look:
        """Look at a memcg by its path ("/" is the root's), or with None at the whole machine.

        ``pids``: processes that matter most: who asks, who may be killed. They come first, and need not be in the
        memcg; the ten largest follow. What cannot be had is left out, and ``Look.cut`` says so; nothing is raised.
        """
        begin_ns, wanted = self._clock(), frozenset(aspects)
        meter = Meter(budget, spare=memcg is None and occasion is Occasion.OOM)
        self._mounts.refresh()
        tasks: list[Identity] = []
        containers: dict[str, Container] = {}
        for pid in pids:
            self._tell(pid, meter, wanted, tasks, containers)
        if memcg is not None and Aspect.CONTAINER in wanted:
            self._contain(memcg, None, meter, containers)
        # Of the machine, this reads the kernel's part, before there may be hundreds of processes to count.
        counters = self._memcgs.stat(memcg) if memcg is not None else None
        usage = self._memcgs.usage(memcg) if memcg is not None else None
        contents = Contents(self._root, meter, wanted, counters, usage, self._mounts, self._people.host_ns, self._clock,
                            self._kernel, _KERNEL_AT_OOM if occasion is Occasion.OOM else _KERNEL_BEFORE)
        by_size = self._by_size(memcg, meter) if wanted - {Aspect.CONTAINER} else []
        largest = by_size[:_LARGEST]
        # First what matters most: all of the largest process. Who is cut short then knows at least that. At an OOM it
        # may be gone by now, and has been looked into before if there was time: then who the others are.
        first = [pid for pid in dict.fromkeys((*pids, *largest[:1]))]
        others = [pid for pid in largest if pid not in first]
        told = [pid for pid in first if pid not in pids] + others * (occasion is Occasion.OOM)
        self._tell_of(told, meter, wanted, tasks, containers)
        contents.add(first)
        self._tell_of([pid for pid in others if pid not in told], meter, wanted, tasks, containers)
        contents.add([pid for pid in largest if pid not in first])
        contents.add_holders(by_size[_LARGEST:], memcg is not None and len(by_size) < _COUNTED)
        slabinfo = self._memcgs.value(memcg, "memory.kmem.slabinfo") if memcg is not None else None
        parts = contents.tasks, contents.shared, contents.cache, contents.kernel(slabinfo)
        return Look(occasion, begin_ns, memcg, self._clock() - begin_ns, meter.cpu_ns, tuple(tasks),
                    tuple(containers.values()), *parts, cut=tuple(meter.cuts))

    def container(self, memcg: str, pids: Sequence[int] = (), budget: Budget = USUAL) -> Look:
        """Look at nothing but which container a memcg is. ``pids``: processes of it."""
        begin_ns, meter, found = self._clock(), Meter(budget), dict[str, Container]()
        self._mounts.refresh()
        self._contain(memcg, pids[0] if pids else None, meter, found, early=True)
        return Look(Occasion.FIRST_CHARGE, begin_ns, memcg, self._clock() - begin_ns, meter.cpu_ns,
                    containers=tuple(found.values()), cut=tuple(meter.cuts))

    def _tell_of(self, pids: Sequence[int], meter: Meter, wanted: frozenset[Aspect], tasks: list[Identity],
                 containers: dict[str, Container]) -> None:
        """The same of several, as far as the budget goes."""
        for pid in pids if Aspect.WHO in wanted else ():
            if meter.over(Aspect.WHO, "the largest processes"):
                break
            self._tell(pid, meter, wanted, tasks, containers)

    def _tell(self, pid: int, meter: Meter, wanted: frozenset[Aspect], tasks: list[Identity],
              containers: dict[str, Container]) -> None:
        """Who a process is, and in which container."""
        try:
            process = Process(self._root, pid)
        except OSError:
            meter.cut(Aspect.WHO, Missed.GONE, f"process {pid}")
            return
        with process:
            found = self._people.identity(process, self._clock(), meter)
        if found is None:
            return
        if found.cgroup is not None and Aspect.CONTAINER in wanted:
            container = self._contain(found.cgroup, pid, meter, containers)
            found = replace(found, container_id=container.id if container is not None else None)
        tasks.append(found)

    def _contain(self, memcg: str, pid: Optional[int], meter: Meter, containers: dict[str, Container],
                 early: bool = False) -> Optional[Container]:
        folder = self._memcgs.folder(memcg)
        found = self._containers.of(memcg, pid, self._mounts, meter, self._clock(), folder, early)
        if found is not None:
            containers.setdefault(found.id, found)
        return found

    def _by_size(self, memcg: Optional[str], meter: Meter) -> list[int]:
        """The processes, those with most resident memory first, as far as they could be counted."""
        sizes: list[tuple[int, int]] = []
        for number, pid in enumerate(self._processes(memcg)):
            if number >= _COUNTED:
                meter.cut(Aspect.WHO, Missed.BUDGET, "sizes of further processes")
                break
            if number % 16 == 15 and meter.cpu_ns * 2 > meter.budget.cpu_ns:
                meter.cut(Aspect.WHO, Missed.BUDGET, "sizes of further processes")
                break
            fields = (plain(f"{self._root}/proc/{pid}/statm", 256) or b"").split()
            if len(fields) > 1:
                sizes.append((int(fields[1]) * _PAGE_KB, pid))
        sizes.sort(reverse=True)
        return [pid for _, pid in sizes]

    def _processes(self, memcg: Optional[str]) -> Iterable[int]:
        if memcg is not None:
            return self._memcgs.processes(memcg)
        try:
            return [int(name) for name in os.listdir(f"{self._root}/proc") if name.isdigit()]
        except OSError:
            return []

"""A glance at a memcg: its files of numbers. Short enough to be had every few seconds while it stays near its limit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Callable, Optional

from oomtrace.model import ChildUsage, Glance, Pressure

from .look import boot_ns
from .memcgs import Memcgs
from .mounts import Mounts
from .tree import plain, text

_SIZES = (
    "anon", "file", "kernel", "kernel_stack", "pagetables", "percpu", "sock", "vmalloc", "shmem", "file_mapped",
    "file_dirty", "file_writeback", "swapcached", "slab_reclaimable", "slab_unreclaimable", "unevictable",
)
_SIZES_V1 = ("rss", "cache", "shmem", "mapped_file", "dirty", "writeback", "swap", "unevictable")
_COUNTS = ("pgmajfault", "workingset_refault_anon", "workingset_refault_file", "pgscan", "pgsteal")
_MACHINE = ("MemTotal", "MemFree", "MemAvailable", "Cached", "AnonPages", "Shmem", "Slab", "SwapTotal", "SwapFree",
            "Dirty", "Writeback")
_CHILDREN, _COUNTED = 5, 64  # that are told of, and whose usage is asked for
_NO_LIMIT = 1 << 62  # cgroup v1 shows a number for it


class Glances:
    """Reads them. ``root``: the folder that has /proc, /sys and the rest of the machine."""

    def __init__(self, root: str = "/", clock: Callable[[], int] = boot_ns) -> None:
        self._root = root.rstrip("/")
        self._clock = clock
        self._memcgs = Memcgs(self._root, Mounts(text(plain(f"{self._root}/proc/self/mountinfo", 1 << 20) or b"")))

    def at(self, memcg: Optional[str]) -> Glance:
        """Of a memcg by its path, None: of the machine. What cannot be read is absent."""
        now = self._clock()
        if memcg is None:
            sizes = dict(_meminfo(text(plain(f"{self._root}/proc/meminfo") or b"")))
            said = plain(f"{self._root}/proc/pressure/memory")
            return Glance(now, stat_kb=sizes, pressure=_pressure(text(said)) if said else None)
        old = self._memcgs.version == 1
        stat = self._memcgs.stat(memcg)
        sizes = {name: stat[f"total_{name}" if old else name] // 1024
                 for name in (_SIZES_V1 if old else _SIZES) if (f"total_{name}" if old else name) in stat}
        pressure = None if old else self._memcgs.value(memcg, "memory.pressure")
        return Glance(
            time_ns=now,
            memcg=memcg,
            usage_kb=self.usage_kb(memcg),
            limit_kb=self._kb(memcg, "memory.limit_in_bytes" if old else "memory.max"),
            swap_kb=sizes.get("swap") if old else self._kb(memcg, "memory.swap.current"),
            stat_kb=sizes,
            counts={name: stat[name] for name in _COUNTS if name in stat},
            pressure=_pressure(pressure) if pressure else None,
            children=self._children(memcg, "memory.usage_in_bytes" if old else "memory.current"),
        )

    def usage_kb(self, memcg: str) -> Optional[int]:
        """Of a memcg by its path; None if there is none."""
        usage = self._memcgs.usage(memcg)
        return usage // 1024 if usage is not None else None

    def _kb(self, memcg: str, name: str) -> Optional[int]:
        said = (self._memcgs.value(memcg, name) or "").strip()
        return int(said) // 1024 if said.isdigit() and int(said) < _NO_LIMIT else None

    def _children(self, memcg: str, name: str) -> tuple[ChildUsage, ...]:
        folder, found = self._memcgs.folder(memcg), []
        if folder is None:
            return ()
        with suppress(OSError), os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            for child in names[:_COUNTED]:
                usage_kb = self._kb(f"{memcg.rstrip('/')}/{child}", name)
                if usage_kb:
                    found.append(ChildUsage(child, usage_kb))
        return tuple(sorted(found, key=lambda child: -child.usage_kb)[:_CHILDREN])


def _meminfo(content: str) -> Iterator[tuple[str, int]]:
    for line in content.splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if name in _MACHINE and words and words[0].isdigit():
            yield name, int(words[0])


def _pressure(content: str) -> Pressure:
    """Documentation/accounting/psi.rst: "some avg10=0.00 avg60=0.00 avg300=0.00 total=0"."""
    lines: dict[str, Mapping[str, str]] = {}
    for line in content.splitlines():
        kind, *words = line.split()
        lines[kind] = dict(word.split("=", 1) for word in words if "=" in word)
    some, full = lines.get("some", {}), lines.get("full", {})
    return Pressure(*(_percent(fields, name) for fields in (some, full) for name in ("avg10", "avg60", "avg300")))


def _percent(fields: Mapping[str, str], name: str) -> Optional[float]:
    with suppress(KeyError, ValueError):
        return float(fields[name])
    return None

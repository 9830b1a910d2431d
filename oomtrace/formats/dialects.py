"""Dialects: how one kernel prints a report. Which rows, in which order, with which gfp names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Dict, FrozenSet, Iterable, List, Mapping, Optional, Tuple

from . import gfp, head, memory, tail
from .rows import Kind, Row, Version, version
from .statistics import statistics


@dataclass(frozen=True)
class Step:
    """A step of printing a report: the kinds of line for the event, or for each item of a scope in turn.

    For each item the first kind of each tuple that can print it does. ``first`` and ``last`` cut the items.
    """

    kinds: Tuple[Tuple[Kind, ...], ...]
    scope: str = ""
    first: int = 0
    last: Optional[int] = None


def _one(*kinds: Kind) -> Step:
    return Step(tuple((kind,) for kind in kinds))


# In the order in which the kernel prints: dump_header(), then __oom_kill_process(), then the reaper.
ORDER: Tuple[Step, ...] = (
    _one(head.SYSRQ, head.SUPPRESSED, head.INVOKED, head.COMPACTION, head.CPUSET, head.CPU, head.TAINTS,
         head.HARDWARE, head.WORKQUEUE, head.SCHED_EXT),
    Step(((head.RAW_WORDS,),), "stack.raw_words"),
    _one(head.CALL_TRACE),
    Step(((head.FRAME, head.FRAME_UNNAMED, head.MARKER), (head.RIP_KERNEL, head.RIP, head.EIP), (head.CODE,),
          (head.RSP,)) + tuple((kind,) for kind in head.GENERAL + (head.SEGMENTS,)), "stack.flow"),
    _one(memory.TASK_IN, memory.LIMIT_OF, memory.USAGE_MEMORY, memory.USAGE_SWAP, memory.USAGE_MEMSW,
         memory.USAGE_KMEM),
    Step(((memory.STATS_LINE, memory.STATS_HEAD, memory.STAT_LINE, memory.STAT),), "memcg.stats_flow"),
    _one(memory.MEM_INFO),
    Step(((memory.PER_CPU, memory.PER_CPU_ROW),), "meminfo.per_cpu_flow"),
    _one(memory.COUNTERS),
    Step(((memory.NODE,),), "meminfo.nodes"),
    Step(((memory.ZONE,), (memory.LOWMEM_RESERVE,)), "meminfo.zones"),
    Step(((memory.BUDDY,),), "meminfo.zones"),
    Step(((memory.HUGEPAGES,),), "meminfo.hugepages"),
    _one(*memory.TAIL),
    _one(memory.ALLOCATIONS),
    Step(((memory.ALLOCATION,),), "meminfo.allocations"),
    _one(memory.SLAB_BUSY, memory.SLAB_TITLE, memory.SLAB_HEAD),
    Step(((memory.SLAB,),), "slab"),
    _one(memory.PROTECTION, tail.TASKS_TITLE, tail.TASKS_HEAD),
    Step(((tail.TASK,),), "tasks"),
    Step(((tail.SUMMARY_GLOBAL, tail.SUMMARY_MEMCG, tail.SUMMARY_PLAIN),)),
    _one(tail.NO_KILLABLE, tail.VERDICT),
    Step(((tail.KILLED,),), "kills", last=1),
    _one(tail.EXITING),
    Step(((tail.SHARING,),), "sharing"),
    _one(tail.OOM_GROUP),
    Step(((tail.KILLED,),), "kills", first=1),
    _one(tail.SYSRQ_IGNORED, tail.PANIC),
    Step(((tail.REAPED, tail.UNREAPED),), "reaps"),
)

KINDS: Dict[str, Kind] = {kind.name: kind for step in ORDER for kinds in step.kinds for kind in kinds}
ROWS: Dict[str, Row] = {row.key: row for kind in KINDS.values() for v in kind.variants for row in v.rows}


@dataclass(frozen=True)
class Dialect:
    """How one kernel prints. ``at`` is mainline's version, ``flavour_at`` the distribution's own count, ``arch`` the
    folder of arch/ if that prints something else than most do."""

    name: str
    at: Version
    flavour: str = ""
    flavour_at: Version = ()
    rows: Mapping[str, Tuple[Row, ...]] = field(default_factory=dict, compare=False, repr=False)
    gfp: gfp.Table = field(default=(), compare=False, repr=False)
    statistics: Tuple[str, ...] = field(default=(), compare=False, repr=False)  # names in printed order
    arch: str = ""

    def on(self, arch: Optional[str]) -> Dialect:
        """The same kernel on another architecture."""
        return _on(self, arch) if arch in ARCHS else self

    @property
    def record_bytes(self) -> int:
        """The longest text of a printk record; the rest of a longer one is lost.

        LOG_LINE_MAX less the level and the final zero up to 6.2, PRINTKRB_RECORD_MAX from 6.3 on (kernel/printk).
        """
        return 989 if self.at < (6, 3) else 1021

    def gfp_names(self, mask: int) -> str:
        """``mask`` as this kernel's ``%pGg`` prints it."""
        return gfp.names(mask, self.gfp)


def _rows(at: Version, flavour: str, flavour_at: Version, arch: str = "") -> Dict[str, Tuple[Row, ...]]:
    found = {name: kind.variant(at, flavour, flavour_at, arch) for name, kind in KINDS.items()}
    return {name: variant.rows for name, variant in found.items() if variant is not None}


# Those that print something of their own.
ARCHS: FrozenSet[str] = frozenset(arch for kind in KINDS.values() for v in kind.variants for arch in v.archs)


@lru_cache(maxsize=64)
def _on(dialect: Dialect, arch: str) -> Dialect:
    return replace(dialect, arch=arch, rows=_rows(dialect.at, dialect.flavour, dialect.flavour_at, arch))


def _dialect(name: str, at: str, flavour: str = "", flavour_at: str = "") -> Dialect:
    main, own = version(at), version(flavour_at) if flavour_at else ()
    rows = _rows(main, flavour, own)
    listed = (5, 3) if flavour == "el8" and own >= (4, 18, 240) else main  # RHEL 8.3 has 5.3's list
    return Dialect(name, main, flavour, own, rows, gfp.layout(main), statistics(listed))


def _all() -> Dict[str, Dialect]:
    steps = {v.since for kind in KINDS.values() for v in kind.variants if not (v.flavour or v.archs)} | set(gfp.LAYOUTS)
    steps |= {(5, 10)}  # the long-term kernels have their own name
    names = [".".join(map(str, step)) for step in sorted(steps)]
    made = [_dialect(name, name) for name in names]
    made += [_dialect(name + "-debian", name, "debian") for name in names if version(name) >= (4, 19)]
    made += [
        _dialect("2.6.32-el6", "2.6.32", "el6"),
        _dialect("3.10-el7.3", "3.10", "el7", "3.10.514"),
        _dialect("3.10-el7", "3.10", "el7", "3.10.693"),
        _dialect("3.10-el7.6", "3.10", "el7", "3.10.957"),
        _dialect("3.10-el7.8", "3.10", "el7", "3.10.1127"),
        _dialect("4.18-el8.1", "4.18", "el8", "4.18.147"),
        _dialect("4.18-el8", "4.18", "el8", "4.18.240"),
        _dialect("4.18-el8.8", "4.18", "el8", "4.18.477"),
        _dialect("5.14-el9", "5.14", "el9"),
        _dialect("6.12-el10", "6.12", "el10"),
    ]
    return {dialect.name: dialect for dialect in made}


DIALECTS: Dict[str, Dialect] = _all()
NEWEST: Dialect = max((d for d in DIALECTS.values() if not d.flavour), key=lambda d: d.at)

# What releases end with (uname -m, or a distribution's name of it) → the folder of arch/.
_ARCH = re.compile(r"[._-](?:(aarch64|arm64)|(armv\dh?l?|armmp|armhf)|(ppc64(?:le|el)?|powerpc64le)|(s390x)|(riscv64)"
                   r"|(loong(?:arch)?64)|(mips\w*)|(i[3-6]86(?:-pae)?))(?:$|[._+-])")
_ARCH_NAMES = ("arm64", "arm", "powerpc", "s390", "riscv", "loongarch", "mips", "i386")


def arch_of(release: Optional[str], rows: Iterable[Row]) -> Optional[str]:
    """The architecture, by the rows that read a report where they leave one only, or by the release. None: unknown, or
    none that prints something of its own."""
    left = set(ARCHS)
    for archs in {row.archs for row in rows if row.archs}:
        left &= set(archs)
    if len(left) == 1:
        return left.pop()
    match = _ARCH.search(release or "")
    return None if match is None else _ARCH_NAMES[(match.lastindex or 1) - 1]


_RELEASE = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:-(\d+))?")
_FLAVOUR = re.compile(r"\.(el(?:[6-9]|10))|(debian|deb1\d|-\d+-(?:cloud-|rt-)?(?:amd64|arm64)\b)", re.IGNORECASE)


def choose(release: Optional[str], package: Optional[str] = None) -> Optional[Dialect]:
    """The dialect of a kernel, by its release (uname -r) and its package ("Debian 6.1.192-2"). None: not a release."""
    match = _RELEASE.match(release or "")
    if match is None:
        return None
    major, minor, patch, build = (int(number or 0) for number in match.groups())
    at: Version = (major, minor) if (major, minor) != (2, 6) else (major, minor, patch)
    found = _FLAVOUR.search((release or "") + " " + (package or ""))
    flavour = "" if found is None else found.group(1) or "debian"
    own = (major, minor, build) if flavour in ("el7", "el8") else at
    same = [d for d in DIALECTS.values() if flavour and d.flavour == flavour and (d.flavour_at or d.at) <= own]
    main: List[Dialect] = [d for d in DIALECTS.values() if not d.flavour and d.at <= at]
    return max(same or main, key=lambda d: d.flavour_at or d.at, default=DIALECTS["2.6.32"])

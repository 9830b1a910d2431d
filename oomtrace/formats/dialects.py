"""Dialects: how one kernel prints a report. Which rows, in which order, with which gfp names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Optional

from oomtrace.history import limits, releases
from oomtrace.history.releases import Version, version
from oomtrace.history.statistics import names as statistics

from . import gfp, head, memory, tail
from .rows import Kind, PrintStep, Row

# In the order in which the kernel prints: dump_header(), then __oom_kill_process(), then the reaper.
ORDER: tuple[PrintStep, ...] = head.STEPS + memory.STEPS + tail.STEPS
KINDS: dict[str, Kind] = {kind.name: kind for step in ORDER for kinds in step.kinds for kind in kinds}
ROWS: dict[str, Row] = {row.key: row for kind in KINDS.values() for v in kind.variants for row in v.rows}


def _ranks() -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for number, step in enumerate(ORDER):
        for position, kinds in enumerate(step.kinds):
            for kind in kinds:
                found.setdefault(kind.name, (number, 0 if step.scope else position))
    return found


RANK: dict[str, tuple[int, int]] = _ranks()  # each kind's place in a report; kinds that take turns share it


@dataclass(frozen=True)
class Dialect:
    """How one kernel prints. ``at`` is mainline's version, ``flavour_at`` the distribution's own count, ``arch`` the
    folder of arch/ if that prints something else than most do."""

    name: str
    at: Version
    flavour: str = ""
    flavour_at: Version = ()
    rows: Mapping[str, tuple[Row, ...]] = field(default_factory=dict, compare=False, repr=False)
    gfp: gfp.Table = field(default=(), compare=False, repr=False)
    statistics: tuple[str, ...] = field(default=(), compare=False, repr=False)  # names in printed order
    arch: str = ""

    def on(self, arch: Optional[str]) -> Dialect:
        """The same kernel on another architecture."""
        return _on(self, arch) if arch in ARCHS else self

    @property
    def record_bytes(self) -> int:
        """The longest text of a printk record; the rest of a longer one is lost."""
        return limits.record_bytes(self.at)

    def gfp_names(self, mask: int) -> str:
        """``mask`` as this kernel's ``%pGg`` prints it."""
        return gfp.names(mask, self.gfp)


def _rows(at: Version, flavour: str, flavour_at: Version, arch: str = "") -> dict[str, tuple[Row, ...]]:
    found = {name: kind.variant(at, flavour, flavour_at, arch) for name, kind in KINDS.items()}
    return {name: variant.rows for name, variant in found.items() if variant is not None}


# Those that print something of their own.
ARCHS: frozenset[str] = frozenset(arch for kind in KINDS.values() for v in kind.variants for arch in v.archs)


@lru_cache(maxsize=64)
def _on(dialect: Dialect, arch: str) -> Dialect:
    return replace(dialect, arch=arch, rows=_rows(dialect.at, dialect.flavour, dialect.flavour_at, arch))


def _dialect(name: str, at: str, flavour: str = "", flavour_at: str = "") -> Dialect:
    main, own = version(at), version(flavour_at) if flavour_at else ()
    rows = _rows(main, flavour, own)
    listed = (5, 3) if flavour == "el8" and own >= (4, 18, 240) else main  # RHEL 8.3 has 5.3's list
    return Dialect(name, main, flavour, own, rows, gfp.layout(main), statistics(listed))


def _all() -> dict[str, Dialect]:
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


DIALECTS: dict[str, Dialect] = _all()
NEWEST: Dialect = max((d for d in DIALECTS.values() if not d.flavour), key=lambda d: d.at)


def arch_of(release: Optional[str], rows: Iterable[Row]) -> Optional[str]:
    """The architecture, by the rows that read a report where they leave one only, or by the release. None: unknown, or
    none that prints something of its own."""
    left = set(ARCHS)
    for archs in {row.archs for row in rows if row.archs}:
        left &= set(archs)
    if len(left) == 1:
        return left.pop()
    return releases.arch(release)


def choose(release: Optional[str], package: Optional[str] = None) -> Optional[Dialect]:
    """The dialect of a kernel, by its release (uname -r) and its package ("Debian 6.1.192-2"). None: not a release."""
    known = releases.parsed(release, package)
    if known is None:
        return None
    own = [each for each in _by_flavour(known.flavour) if (each.flavour_at or each.at) <= known.own]
    main = [each for each in _by_flavour("") if each.at <= known.mainline]
    return max(own or main, key=lambda each: each.flavour_at or each.at, default=DIALECTS["2.6.32"])


def _by_flavour(flavour: str) -> list[Dialect]:
    return [dialect for dialect in DIALECTS.values() if dialect.flavour == flavour]

"""Kinds of memory, and an account of what something full consisted of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

from .finding import Reason


class Kind(Reason):
    """A kind of memory. What each is in words, the phrasebook tells."""

    ANON = "anon"
    ANON_BEHIND = "anon_behind"  # that tasks hold, and the statistics do not count yet
    ANON_OR_SHMEM = "anon_or_shmem"  # together on the lists, and what is which cannot be told
    FILE = "file"
    FILE_OR_SHMEM = "file_or_shmem"  # "cache" before 4.12
    SHMEM = "shmem"
    SWAPCACHE = "swapcache"
    KERNEL = "kernel"
    SOCK = "sock"
    SLAB = "slab"  # both halves
    SLAB_RECLAIMABLE = "slab_reclaimable"
    SLAB_UNRECLAIMABLE = "slab_unreclaimable"
    UNEVICTABLE = "unevictable"
    RAMFS = "ramfs"  # files of ramfs, also of an unpacked initramfs
    PAGETABLES = "pagetables"
    KERNEL_STACKS = "kernel_stack"
    HUGETLB = "hugetlb"
    FREE = "free"
    OTHERS = "others"
    NOT_ACCOUNTED = "not_accounted"


@dataclass(frozen=True)
class Part:
    """A kind of memory. The parts of an account do not overlap."""

    kind: Kind
    kb: int


@dataclass(frozen=True)
class Account:
    """``total_kb`` is what is divided, ``parts`` what of it is known. ``details`` are within parts, or beside them."""

    total_kb: Optional[int]
    parts: tuple[Part, ...]
    details: Mapping[str, int]  # "shmem_kb", "file_dirty_kb", "swap_kb", … by name with unit
    kernel_listed: bool = True  # False: kernels that list only slab, stacks and the like of their own memory
    complete: bool = True  # False: counters that the kernel prints are not in the source

    @property
    def left_kb(self) -> Optional[int]:
        """What no part accounts for; negative if the statistics sum to more. None where counters are missing."""
        if self.total_kb is None or not self.complete:
            return None
        return self.total_kb - sum(part.kb for part in self.parts)

    @property
    def biggest(self) -> Optional[Part]:
        """The largest part that is in use. The halves of slab count together, and the swap cache as
        anonymous, unless one makes up half of all. What is not counted yet is anonymous in any case."""
        beside = (Kind.FREE, Kind.ANON, Kind.ANON_BEHIND)
        used = [Part(Kind.ANON, self.part(*beside[1:])), *(part for part in self.parts if part.kind not in beside)]
        used = [part for part in used if part.kb]
        top = max(used, key=lambda part: part.kb, default=None)
        if top is None or top.kb * 2 >= (self.total_kb or 0):
            return top
        slab = Part(Kind.SLAB, self.part(Kind.SLAB_RECLAIMABLE, Kind.SLAB_UNRECLAIMABLE))
        anon = Part(Kind.ANON, self.part(Kind.ANON, Kind.ANON_BEHIND, Kind.SWAPCACHE))
        return max(top, slab, anon, key=lambda part: part.kb)

    def part(self, *kinds: Kind) -> int:
        """How much there is of these kinds, in kB."""
        return sum(part.kb for part in self.parts if part.kind in kinds)

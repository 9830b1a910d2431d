"""Which counters of this kernel the Mem-Info lines are made of (mm/show_mem.c; up to 6.3 mm/page_alloc.c).

A field has the name that the formats know it by, without its unit. Whether a line shows it is for the formats to say.
"""

from __future__ import annotations

from typing import Optional

from oomtrace.facts import CounterAt, FreeArea, MeminfoFacts
from oomtrace.history import eras, releases
from oomtrace.kernel import machine
from oomtrace.kernel.btf import Btf
from oomtrace.kernel.symbols import Symbols

# enum node_stat_item, where it is not NR_<NAME>
_NODE = {
    "active_anon": "",
    "inactive_anon": "",
    "isolated_anon": "",
    "active_file": "",
    "inactive_file": "",
    "isolated_file": "",
    "unevictable": "",
    "dirty": "NR_FILE_DIRTY",
    "writeback": "",
    "unstable": "NR_UNSTABLE_NFS",
    "slab_reclaimable": "NR_SLAB_RECLAIMABLE_B",
    "slab_unreclaimable": "NR_SLAB_UNRECLAIMABLE_B",
    "mapped": "NR_FILE_MAPPED",
    "shmem": "",
    "shmem_thp": "NR_SHMEM_THPS",
    "shmem_pmdmapped": "",
    "anon_thp": "NR_ANON_THPS",
    "writeback_tmp": "NR_WRITEBACK_TEMP",
    "kernel_stack": "NR_KERNEL_STACK_KB",
    "shadow_call_stack": "NR_KERNEL_SCS_KB",
    "pagetables": "NR_PAGETABLE",
    "sec_pagetables": "NR_SECONDARY_PAGETABLE",
    "kernel_misc_reclaimable": "",
    "balloon": "NR_BALLOON_PAGES",
    "gpu_active": "",
    "gpu_reclaim": "",
    "file_pages": "",
}
# enum zone_stat_item, likewise
_ZONE = {
    "free": "NR_FREE_PAGES",
    "active_anon": "NR_ZONE_ACTIVE_ANON",
    "inactive_anon": "NR_ZONE_INACTIVE_ANON",
    "active_file": "NR_ZONE_ACTIVE_FILE",
    "inactive_file": "NR_ZONE_INACTIVE_FILE",
    "unevictable": "NR_ZONE_UNEVICTABLE",
    "writepending": "NR_ZONE_WRITE_PENDING",
    "zspages": "",
    "mlocked": "NR_MLOCK",
    "pagetables": "NR_PAGETABLE",
    "bounce": "",
    "free_cma": "NR_FREE_CMA_PAGES",
}
_THP = ("shmem_thp", "shmem_pmdmapped", "anon_thp")
_KB = ("kernel_stack", "shadow_call_stack")

# show_migration_types()
_LETTERS = (
    ("UNMOVABLE", "U"),
    ("MOVABLE", "M"),
    ("RECLAIMABLE", "E"),
    ("HIGHATOMIC", "H"),
    ("CMA", "C"),
    ("ISOLATE", "I"),
)
_ZONES = ("ZONE_DMA", "ZONE_DMA32", "ZONE_NORMAL", "ZONE_HIGHMEM", "ZONE_MOVABLE", "ZONE_DEVICE")


def _items(btf: Btf, enum: str, names: dict[str, str], thp_pages: int) -> dict[str, CounterAt]:
    items: dict[str, CounterAt] = {}
    for name, enumerator in names.items():
        index = btf.enumerator_of(enum, enumerator or f"NR_{name.upper()}")
        if index is not None:
            items[name] = CounterAt(index, 0 if name in _KB else thp_pages if name in _THP else 1)
    return items


def facts(btf: Btf, symbols: Symbols, release: str) -> Optional[MeminfoFacts]:
    """What the decoder needs to know of this kernel's Mem-Info lines; None of types that know nothing of them."""
    thp_pages = 1 if eras.thp_counts_pages(releases.mainline(release)) else machine.page_bytes() // 8
    node = _items(btf, "node_stat_item", _NODE, thp_pages)
    zone = _items(btf, "zone_stat_item", _ZONE, 1)
    letters, free_area = _letters(btf), _free_area(btf)
    zones = {name: btf.enumerator_of("zone_type", name) for name in _ZONES}
    cma = btf.enumerator_of("migratetype", "MIGRATE_CMA") is not None
    if btf.enumerator_of("vm_event_item", "THP_FAULT_ALLOC") is None:  # no CONFIG_TRANSPARENT_HUGEPAGE
        node = {name: item for name, item in node.items() if name not in _THP}
    if "file_pages" not in node:
        return None
    return MeminfoFacts(
        node=node,
        zone=zone,
        letters=letters,
        free_area=free_area,
        zones=zones,
        # CONFIG_NUMA: a symbol that not every kernel lists, or what counts its allocations
        numa=symbols.address("node_data") is not None or btf.enumerator_of("numa_stat_item", "NUMA_HIT") is not None,
        cma=cma,
        # "mm: reduce noise in show_mem for lowmem allocations" (6.1): zones that are of no use are left out …
        by_gfp_zone=symbols.address("__show_mem") is not None,
        # … and the huge pages of nodes that are of no use
        hugepages_by_node=symbols.address("hugetlb_show_meminfo") is None,
    )


def _letters(btf: Btf) -> str:
    """A letter for each migrate type in the order of their numbers; "?" for one that is unknown."""
    known = {btf.enumerator_of("migratetype", f"MIGRATE_{name}"): letter for name, letter in _LETTERS}
    return "".join(known.get(number, "?") for number in range(btf.enumerator_of("migratetype", "MIGRATE_TYPES") or 0))


def _free_area(btf: Btf) -> Optional[FreeArea]:
    """The shape of zone->free_area[]; its lists come first, 16 bytes for each migrate type."""
    areas, nr_free, area = btf.field("zone", "free_area"), btf.field("free_area", "nr_free"), btf.struct_id("free_area")
    if areas is None or nr_free is None or area is None:
        return None
    size = btf.size_bytes(area)
    return FreeArea(btf.size_bytes(areas.type_id) // size, size, nr_free.offset_bytes)

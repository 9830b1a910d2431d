"""Where a kernel's counters lie, and how it prints: asked of made-up types, as kernels of some versions have them."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

import pytest

from oomtrace.facts import CounterAt, FreeArea
from oomtrace.history.statistics import names
from oomtrace.kernel import eras, meminfo, statistics

NODE = """NR_INACTIVE_ANON NR_ACTIVE_ANON NR_INACTIVE_FILE NR_ACTIVE_FILE NR_UNEVICTABLE NR_SLAB_RECLAIMABLE_B
NR_SLAB_UNRECLAIMABLE_B NR_ISOLATED_ANON NR_ISOLATED_FILE WORKINGSET_NODERECLAIM NR_ANON_MAPPED NR_FILE_MAPPED
NR_FILE_PAGES NR_FILE_DIRTY NR_WRITEBACK NR_SHMEM NR_SHMEM_THPS NR_ANON_THPS NR_KERNEL_STACK_KB NR_PAGETABLE""".split()
MEMCG = "MEMCG_SOCK MEMCG_PERCPU_B MEMCG_KMEM".split()
EVENTS = """PGFAULT PGMAJFAULT PGACTIVATE PGSCAN_KSWAPD PGSCAN_DIRECT PGSCAN_KHUGEPAGED PGSTEAL_KSWAPD PGSTEAL_DIRECT
PGSTEAL_KHUGEPAGED PGREFILL THP_FAULT_ALLOC NUMA_PAGE_MIGRATE""".split()
ZONE = "NR_FREE_PAGES NR_ZONE_ACTIVE_ANON NR_MLOCK NR_BOUNCE NR_FREE_CMA_PAGES".split()
TYPES = "MIGRATE_UNMOVABLE MIGRATE_MOVABLE MIGRATE_RECLAIMABLE MIGRATE_SECRET MIGRATE_CMA MIGRATE_TYPES".split()


class Field(NamedTuple):
    """As btf.Field, as far as it is asked for."""

    type_id: int
    offset_bytes: int = 0


class Types:
    """A kernel's types: enumerators by enum, numbered in their order, and fields."""

    def __init__(self, without: tuple[str, ...] = (), fields: Optional[dict[tuple[str, str], Field]] = None) -> None:
        listed = {"node_stat_item": NODE, "memcg_stat_item": MEMCG, "vm_event_item": EVENTS, "zone_stat_item": ZONE,
                  "migratetype": TYPES, "zone_type": ["ZONE_DMA", "ZONE_NORMAL"]}
        self._enums = {name: [one for one in found if one not in without] for name, found in listed.items()}
        self._fields = fields or {}
        self._sizes = {1: 88, 2: 88 * 11, 3: 24}

    def enumerator_of(self, enum: str, name: str) -> Optional[int]:
        found = self._enums.get(enum, [])
        start = len(self._enums["node_stat_item"]) if enum == "memcg_stat_item" else 0
        return start + found.index(name) if name in found else None

    def field(self, struct: str, name: str) -> Optional[Field]:
        return self._fields.get((struct, name))

    def struct_id(self, name: str) -> Optional[int]:
        return {"free_area": 1, "taint_flag": 3}.get(name)

    def size_bytes(self, type_id: int) -> int:
        return self._sizes[type_id]


class Kallsyms:
    """Symbols with a size."""

    def __init__(self, **sizes: int) -> None:
        self._sizes = sizes

    def address(self, name: str) -> Optional[int]:
        return 1 if name in self._sizes else None

    def size_bytes(self, name: str) -> Optional[int]:
        return self._sizes.get(name)


def _rows(release: str, *without: str) -> dict[str, Any]:
    types: Any = Types(without)
    return {row.name: row for row in statistics.rows(types, release)}


def _items(release: str, name: str, *without: str) -> list[CounterAt]:
    return list(_rows(release, *without)[name].items)


def test_lines_are_those_of_the_version_that_have_a_counter_in_its_order() -> None:
    rows = list(_rows("6.1.0-56-amd64"))
    assert rows == [name for name in names((6, 1)) if name in set(rows)]
    assert {"anon", "sock", "slab", "pgscan", "thp_fault_alloc"} <= set(rows)
    assert not {"zswap", "vmalloc", "pgdemote_kswapd"} & set(rows), "the kernel has no counter of these"
    assert "pgscan_khugepaged" in _rows("6.12.0") and "pgscan_khugepaged" not in rows


def test_units() -> None:
    anon_at = NODE.index("NR_ANON_MAPPED")
    assert _items("6.1.0", "anon") == [CounterAt(anon_at, 4096)]
    assert _items("6.1.0", "kernel_stack") == [CounterAt(NODE.index("NR_KERNEL_STACK_KB"), 1024)]
    assert _items("6.1.0", "percpu") == [CounterAt(len(NODE) + 1, 1)]
    assert _items("5.11.0", "anon_thp")[0].unit == 2 << 20 and _items("5.12.0", "anon_thp")[0].unit == 4096


@pytest.mark.parametrize("page, huge", [(4 << 10, 2 << 20), (16 << 10, 32 << 20), (64 << 10, 512 << 20)])
def test_units_are_of_the_kernels_pages(page: int, huge: int) -> None:
    types: Any = Types(())
    units = {row.name: row.items[0].unit for row in statistics.rows(types, "5.11.0", page)}
    assert (units["anon"], units["anon_thp"], units["kernel_stack"]) == (page, huge, 1024)


def test_sums() -> None:
    scans = [EVENTS.index(name) for name in ("PGSCAN_KSWAPD", "PGSCAN_DIRECT", "PGSCAN_KHUGEPAGED")]
    assert [item.at for item in _items("6.3.0", "pgscan")] == scans
    assert [item.at for item in _items("6.2.0", "pgscan")] == scans[:2], "not yet what khugepaged did"
    assert [item.at for item in _items("6.1.0", "slab")] == [NODE.index(f"NR_SLAB_{each}_B")
                                                             for each in ("RECLAIMABLE", "UNRECLAIMABLE")]


def test_an_option_that_is_off_takes_its_lines_along() -> None:
    without = _rows("6.1.0", "THP_FAULT_ALLOC")
    assert not {"anon_thp", "shmem_thp", "thp_fault_alloc"} & set(without) and "anon" in without
    assert _items("6.12.0", "numa_pages_migrated") == [CounterAt(EVENTS.index("NUMA_PAGE_MIGRATE"), 1)]


def _meminfo(release: str = "6.12.0", without: tuple[str, ...] = (), **symbols: int) -> Any:
    fields = {("zone", "free_area"): Field(2), ("free_area", "nr_free"): Field(0, 80)}
    types: Any = Types(without, fields)
    kallsyms: Any = Kallsyms(**symbols)
    return meminfo.facts(types, kallsyms, release)


def test_where_mem_info_has_its_counters() -> None:
    found = _meminfo(node_data=8, __show_mem=1)
    assert found.node["active_anon"] == CounterAt(NODE.index("NR_ACTIVE_ANON"), 1)
    assert found.node["kernel_stack"].unit == 0, "kilobytes"
    assert found.zone["free"] == CounterAt(0, 1) and "zspages" not in found.zone
    assert found.letters == "UME?C", "a type that we do not know is there all the same"
    assert found.free_area == FreeArea(11, 88, 80)
    assert found.zones["ZONE_NORMAL"] == 1 and found.zones["ZONE_HIGHMEM"] is None
    assert found.numa and found.cma and found.by_gfp_zone and found.hugepages_by_node


def test_mem_info_of_other_kernels() -> None:
    assert _meminfo("5.10.0").node["anon_thp"].unit == 512 and _meminfo("5.12.0").node["anon_thp"].unit == 1
    found = _meminfo(without=("THP_FAULT_ALLOC", "MIGRATE_CMA"), hugetlb_show_meminfo=1)
    assert "anon_thp" not in found.node and "shmem_thp" not in found.node
    assert not (found.numa or found.cma or found.by_gfp_zone or found.hugepages_by_node)
    assert _meminfo(without=("NR_FILE_PAGES",)) is None, "types that say nothing of it"
    types: Any = Types()
    kallsyms: Any = Kallsyms()
    assert meminfo.facts(types, kallsyms, "6.1.0").free_area is None  # type: ignore[union-attr]


def _eras(release: str, fields: set[tuple[str, str]], **symbols: int) -> Any:
    types: Any = Types(fields={name: Field(3) for name in fields})
    kallsyms: Any = Kallsyms(**symbols)
    return eras.facts(types, kallsyms, release)


def test_what_types_tell_of_the_way_to_print() -> None:
    assert _eras("6.14.0", {("page_counter", "track_failcnt")}).failcnt_from_events, "a backport is seen, too"
    assert not _eras("6.15.0", set()).failcnt_from_events
    assert _eras("6.12.0", {("taint_flag", "desc")}).taint_names and not _eras("6.12.0", set()).taint_names
    assert eras.summed_rss("7.0.1") and not eras.summed_rss("6.12.117+deb13-amd64")


def test_the_number_of_taint_flags() -> None:
    """The table's size and the version's number of flags: the less counts, as padding may follow the table."""
    assert _eras("6.1.0", set(), taint_flags=24 * 19).taint_flags == 19
    assert _eras("6.1.0", set(), taint_flags=24 * 21).taint_flags == 19
    assert _eras("6.1.0", set(), taint_flags=24 * 18).taint_flags == 18
    assert _eras("6.1.0", set()).taint_flags is None


CPU_LINE = b"%sCPU: %d UID: %u PID: %d Comm: %.20s %s%s %s %.*s"
DEBIANS_COMPILER = "Linux version 6.12.9 (me@here) (gcc (Debian 12.2.0-14) 12.2.0, GNU ld (GNU Binutils for Debian))"


@pytest.mark.parametrize("rest, version, package", [
    (b" %s%s", DEBIANS_COMPILER, ""),
    (b" %s %s %s", DEBIANS_COMPILER, ""),
    (b"%s", DEBIANS_COMPILER, None),
    (b" %s %s", DEBIANS_COMPILER, None),
    (b" %s%s", "Linux version 6.4.0-default (geeko@buildhost) (gcc (SUSE Linux) 7.5.0)", None),
    (b" %s%s", "Linux version 6.12.9 (x@debian.org) #1 SMP Debian 6.12.9-1 (2025-01-10)", None),
])
def test_an_empty_package_is_told_by_the_kernels_own_format(
    monkeypatch: pytest.MonkeyPatch, rest: bytes, version: str, package: Optional[str]
) -> None:
    """Somebody else has compiled Debian's sources: /proc/version names no package, and the blank before it is printed.
    SUSE's format is the same."""
    monkeypatch.setattr("oomtrace.kernel.eras.ksymtab.holds", lambda text, symbols: text in CPU_LINE + rest + b"\n\0")
    monkeypatch.setattr("oomtrace.kernel.machine._text", {"/proc/version": version}.get)
    assert _eras("6.12.9", set()).package == package

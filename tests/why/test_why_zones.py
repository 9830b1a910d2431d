"""Logs of shortages that were not the machine's: what is said of their zones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from why_events import advice, machine_wide, zone

from oomtrace import text, why
from oomtrace.model import OomEvent, Zone
from oomtrace.output.base import with_names
from oomtrace.why.shortage import Shortage, short
from oomtrace.why.zones import verdicts
from tests.events import changed

CASES = Path(__file__).resolve().parent / "cases"


def case(name: str) -> OomEvent:
    event, = text.read([(CASES / f"{name}.txt").read_bytes()])
    return with_names(event)


def stated(event: OomEvent, id: str) -> list[str]:
    finding = why.explain(event).finding(id)
    return [reason.value for reason in finding.reasons] if finding is not None else []


def headline(event: OomEvent) -> "dict[str, Any]":
    found = why.explain(event)
    return {"reason": found.headline_reason.value, **{fact.name: fact.value for fact in found.headline_facts}}


def test_lowmem_is_full_and_highmem_is_not() -> None:
    event = case("lowmem-highmem-free")
    assert [zone.lowmem_reserve_pages for zone in event.report.meminfo.zones] == [  # type: ignore[union-attr]
        (0, 808, 3849, 3849), (0, 0, 24330, 24330), (0, 0, 0, 0)]
    assert [(one.zone.name, one.usable, one.low, one.reserve_kb) for one in verdicts(event)[:2]] == [
        ("DMA", True, True, 3232), ("Normal", True, True, 0)]
    said = headline(event)
    assert (said["reason"], said["free_elsewhere_kb"], said["zones_elsewhere"]) == ("lowmem", 284120, ("HighMem",))
    assert "file_left" in stated(event, "zones") and stated(event, "swap") == []
    assert "file_cache_left" not in stated(event, "reclaim"), "the machine's file cache is beside the point"
    assert [one.reason.value for one in why.explain(event).suggestions][0] == "lowmem_files"


def test_lowmem_that_was_just_above_its_watermark_when_printed() -> None:
    """The report is printed after the decision, when a little may be free again."""
    event = case("lowmem-highmem-free")
    meminfo = event.report.meminfo
    assert meminfo is not None

    def with_free(free_kb: int) -> OomEvent:
        zones = tuple(replace(each, counters={**each.counters, "free_kb": free_kb}) if each.name == "Normal" else each
                      for each in meminfo.zones)
        return changed(event, meminfo=replace(meminfo, zones=zones))

    shortage = short(with_free(41400))
    assert shortage is not None and (shortage.kind, shortage.nearly) == (Shortage.LOWMEM, True)
    said = headline(with_free(41400))
    assert (said["reason"], said["nearly"], said["free_elsewhere_kb"]) == ("lowmem", True, 284120)
    assert {"above_when_printed", "free_elsewhere"} <= set(stated(with_free(41400), "zones"))
    assert "all_zones_low" not in stated(with_free(41400), "zones")
    assert why.explain(with_free(41400)).suggestions[0].reason.value == "lowmem_files"
    assert "nearly" not in headline(event) and short(with_free(130_000)) is None


def test_blocks_of_cma_are_not_for_the_unmovable() -> None:
    event = case("cma-block-unmovable")
    said = headline(event)
    assert (said["reason"], said["block_kb"]) == ("fragmented", 16)
    assert stated(event, "zones") == ["largest_zone", "fragmented"]
    movable = changed(event, trigger=replace(event.report.trigger, gfp_flags="GFP_HIGHUSER_MOVABLE"))
    assert "above_when_printed" in stated(movable, "zones")


def test_one_node_is_full() -> None:
    event = case("membind-node-full")
    said = headline(event)
    assert (said["reason"], said["nodes_full"], said["nodes_elsewhere"]) == ("node_full", "0", "1")
    assert said["free_elsewhere_kb"] == 476718144
    assert "part_of_machine" in stated(event, "full") and "machine" not in stated(event, "full")


def test_zones_are_judged_without_the_lines_after_them() -> None:
    event = case("zones-without-pages-ram")
    assert stated(event, "zones") == ["largest_zone", "all_zones_low", "boosted"]
    assert headline(event)["managed_kb"] == 12232


def test_zones_are_judged_where_the_sum_is_damaged() -> None:
    event = case("pages-ram-against-zones")
    assert "all_zones_low" in stated(event, "zones") and headline(event)["managed_kb"] == 2030464


# Zones of several machines: (name, free, min, reserve), the gfp flags, and what was short.
_64 = (0, 0, 0, 0, 0)
_SHORTAGES: tuple[Any, ...] = (
    ((("DMA", 15000, 40, (0, 3000, 15000, 15000, 15000)), ("DMA32", 9000, 11000, (0, 0, 12000, 12000, 12000)),
      ("Normal", 12000, 13000, _64)), "GFP_KERNEL", Shortage.ALL_LOW),
    ((("DMA", 9000, 40, (0, 3000, 15000, 15000, 15000)), ("DMA32", 9000, 11000, (0, 0, 12000, 12000, 12000)),
      ("Normal", 900000, 13000, _64)), "GFP_DMA32", Shortage.LOWMEM),
    ((("DMA", 15000, 40, (0, 3000, 15000, 15000, 15000)), ("DMA32", 9000, 11000, (0, 0, 12000, 12000, 12000)),
      ("Normal", 900000, 13000, _64)), "GFP_DMA32", Shortage.LOWMEM),  # or nearly so
    ((("DMA", 15000, 40, (0, 3000, 15000, 15000, 15000)), ("DMA32", 40000, 11000, (0, 0, 12000, 12000, 12000)),
      ("Normal", 900000, 13000, _64)), "GFP_DMA32", None),
    ((("DMA", 20, 40, (0, 3000, 15000, 15000, 15000)), ("DMA32", 900000, 11000, (0, 0, 12000, 12000, 12000)),
      ("Normal", 900000, 13000, _64)), "GFP_KERNEL|GFP_DMA", Shortage.LOWMEM),
    ((("Normal", 3000, 7000, (0, 5000, 5000)), ("HighMem", 400000, 500, (0, 0, 0))), "GFP_KERNEL", Shortage.LOWMEM),
    ((("Normal", 3000, 7000, (0, 5000, 5000)), ("HighMem", 400, 500, (0, 0, 0))), "GFP_KERNEL", Shortage.ALL_LOW),
    ((("DMA", 30000, 7000, (0, 0, 0)),), "GFP_KERNEL", None),
)


@pytest.mark.parametrize(("zones", "flags", "wanted"), _SHORTAGES)
def test_what_was_short(zones: Any, flags: str, wanted: Any) -> None:
    listed = tuple(zone(name, free, least, 1000000, reserve) for name, free, least, reserve in zones)
    event = machine_wide(zones=listed, tail={"ram_pages": 250000 * len(listed), "reserved_pages": 0})
    event = changed(event, trigger=replace(event.report.trigger, gfp_flags=flags))
    found = short(event)
    assert (found.kind if found is not None else None) == wanted


def _on_node(node: int, one: Zone) -> Zone:
    return replace(one, node=node)


def test_a_node_that_is_full_while_the_other_has_no_more_either() -> None:
    zones = (_on_node(0, zone("Normal", 900, 1100, 500000, _64)), _on_node(1, zone("Normal", 1500, 1100, 500000, _64)))
    event = machine_wide(zones=zones)
    assert short(event) is None, "node 1 had just a little: nothing tells that it was forbidden"


def test_a_reserve_that_is_not_in_the_source_is_not_taken_for_none() -> None:
    zones = (zone("DMA32", 13000, 11000, 500000), zone("Normal", 900, 1100, 500000, _64))
    event = machine_wide(zones=zones)
    assert [one.low for one in verdicts(event)] == [None, True] and short(event) is None


def test_a_min_watermark_that_is_most_of_it() -> None:
    event = machine_wide(zones=(zone("DMA32", 500000, 600000, 1000000, _64),))
    assert "min_large" in stated(event, "zones")
    assert [one.reason.value for one in why.explain(event).suggestions][0] == "min"


@pytest.mark.parametrize("name", ["DMA: ", "Node 0 Normal: "])
def test_lists_whose_words_stand_on_lines_of_their_own(name: str) -> None:
    """Kernels 4.9 to 4.11 print each word of them with a time of its own."""
    log = (CASES / "lowmem-highmem-free.txt").read_text().splitlines()
    free = "DMA" if name.startswith("DMA") else "Normal"
    words = [name, "2*4kB ", "(UM) ", "0*8kB ", "1*16kB ", "(U) ", *(f"0*{32 << n}kB " for n in range(8)), "= 24kB"]
    at = next(n for n, line in enumerate(log) if "Free swap" in line)
    log[at:at] = [f"[ 6012.11235{n % 10}] {word}" for n, word in enumerate(words)]
    event, = text.read(["\n".join(log).encode() + b"\n"])
    found = [one for one in event.report.meminfo.zones if one.name == free and one.buddy]  # type: ignore[union-attr]
    assert found and found[0].buddy[0] == (2, 4, "UM") and found[0].buddy_total_kb == 24


def test_a_boost_is_advised_on_after_what_used_the_memory_up() -> None:
    boosted = zone("DMA32", 9000, 11000, 1000000, _64)
    boosted = replace(boosted, counters={**boosted.counters, "boost_kb": 8000})
    event = machine_wide(zones=(boosted,))
    assert "boosted" in stated(event, "zones")
    said = advice(event)
    assert "zones: boost" in said and said.index("tasks: confine") < said.index("zones: boost")

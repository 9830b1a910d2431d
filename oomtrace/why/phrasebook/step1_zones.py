"""Step 1: zones. A zone is a part of RAM that some allocations must use, or must not."""

from __future__ import annotations

from ..advice.zones import Unusable
from ..causes.zones import Zones
from ..headline import Headline
from ..units import exact, human
from .step3_memory import in_words
from .template import Facts, fill, plain, word

TITLES = {"zones": "zones"}


def _largest(facts: Facts) -> str:
    free, least = facts["free_kb"], facts["min_kb"]
    size = exact if free != least and human(free) == human(least) else human
    said = f"Zone {facts['zone']}: free {size(free)}"
    if "barred_kb" in facts:
        said += f" ({human(facts['barred_kb'])} of it not for this allocation: high-atomic or CMA)"
    said += f", min watermark {size(least)}"
    if "lowmem_reserve_kb" in facts:
        said += f", and {human(facts['lowmem_reserve_kb'])} reserved from it (lowmem_reserve)"
    return said + "."


def _filled(facts: Facts) -> str:
    parts = ", ".join(f"{word(size.kind)} {human(size.kb)}" + (f" ({size.percent:.1f} %)" if size.percent else "")
                      for size in facts["zones_parts"])
    return f"Of the {exact(facts['zones_managed_kb'])} there: {parts}."


def _by(facts: Facts) -> str:
    if "filler" not in facts:
        return ""
    return f", {facts['filler_percent']} % of it by {in_words(facts['filler'])}"


def _lowmem(facts: Facts) -> str:
    what = f"The memory up to zone {facts['highest_zone']}"
    if "HighMem" in facts["zones_elsewhere"]:
        what = "Lowmem, the memory that the kernel can use for itself,"
    nearly = "nearly " if "nearly" in facts else ""
    return (f"{what} was {nearly}exhausted{_by(facts)}, with {human(facts['free_elsewhere_kb'])} free in zone "
            f"{plain(facts['zones_elsewhere'])}")


def _node(facts: Facts) -> str:
    return (f"NUMA node {facts['nodes_full']} was exhausted{_by(facts)}, with {human(facts['free_elsewhere_kb'])} free "
            f"on node {facts['nodes_elsewhere']}")


def _above(facts: Facts) -> str:
    zones = facts["zones_above"]
    said = "Zone {zones_above} was above its" if len(zones) == 1 else "Zones {zones_above:and} were above their"
    return fill(said + " min watermark when this was printed, which is after the decision.", facts)


PHRASES = {
    Zones.LARGEST: _largest,
    Zones.ALL_LOW: "Every zone that it could use was below its min watermark or reserve.",
    Zones.FRAGMENTED: "Memory was free but in pieces: {free_in_pieces_kb:size}, and no free block of {block_kb:size} "
                      "(order {order}) that this allocation may use.",
    Zones.FREE_ELSEWHERE: "{free_elsewhere_kb:size} were free in zone {zones_elsewhere}, but this allocation may "
                          "use only zones up to {highest_zone}.",
    Zones.NODE_FULL: "Every zone of node {nodes_full} was below its min watermark or reserve, while "
                     "{free_elsewhere_kb:size} were free on other nodes. So a memory policy or a cpuset kept the "
                     "allocation to node {nodes_full}.",
    Zones.FILLED: _filled,
    Zones.FILE_LEFT: "{zones_file_kb:size} of file pages there were not reclaimed. They may be dirty, in use by I/O, "
                     "or held by a bug: the source does not tell.",
    Zones.BOOSTED: "{boost_kb:size} of the {min_all_kb:size} of min watermarks are a boost, which the kernel adds for "
                   "a while after it has mixed movable and unmovable pages.",
    Zones.MIN_LARGE: "The min watermarks, {min_all_kb:size}, are a large part of the {zones_managed_kb:size} there: so "
                     "much is always kept free.",
    Zones.ABOVE_WHEN_PRINTED: _above,
    Zones.NONE_USABLE: "The nodes have only zone {zones_listed}, and this allocation may use zones up to "
                       "{highest_zone}. Whatever was free in them was not for it, and no kill can help.",
    Headline.LOWMEM: _lowmem,
    Headline.NODE_FULL: _node,
    Headline.FRAGMENTED: "Memory was free but in pieces: {free_in_pieces_kb:size}, and no free block of "
                         "{block_kb:size} that the allocation could use",
    Unusable.LOWMEM: "A 64-bit kernel has no such limit. On this one, let the kernel use less for itself: a larger "
                     "vm.vfs_cache_pressure drops directory entries and inodes earlier, and fewer tasks and sockets "
                     "need less.",
    Unusable.LOWMEM_FILES: "{zones_file_kb:size} of {zones_managed_kb:size} of lowmem are file cache. The cache of "
                           "block devices and of file systems' own data can be nowhere else. If it waits to be "
                           "written, lower vm.dirty_bytes. A 64-bit kernel has no such limit.",
    Unusable.ZONE: "Something asked for memory below zone {zones_elsewhere}, mostly a driver for a device that cannot "
                   "reach more: the call trace names it.",
    Unusable.NODE: "Look at the memory policy of {trigger} (numactl --show, /proc/{trigger_pid}/numa_maps) and at its "
                   "cpuset.mems: it was probably kept to node {nodes_full}.",
    Unusable.COMPACT: "`echo 1 >/proc/sys/vm/compact_memory` joins free pages. A larger vm.min_free_kbytes keeps more "
                      "of them free; and whoever asks for {block_kb:size} in one piece should be able to do with less.",
    Unusable.BOOST: "`sysctl vm.watermark_boost_factor=0` turns the boost off.",
    Unusable.MIN: "Lower vm.min_free_kbytes: of {zones_managed_kb:size} it keeps {min_all_kb:size} free.",
}

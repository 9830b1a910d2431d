"""What must be known of a machine to read its records elsewhere: the head of a capture file.

The rooms that find these facts out (kernel, programs, session) and the one that uses them (wire) share the types here,
and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple, Optional

_MAX_ORDERS = 64
_MAX_PAGE_KB = 1024
_MAX_NUMBER = 1 << 63
_WITH_ADDRESS = re.compile(r"[^%]*%x[^%]*")


class CounterAt(NamedTuple):
    """A counter's place in its array, and what one of it stands for: so many bytes (statistics), or so many pages
    (Mem-Info, where 0 is a kilobyte)."""

    at: int
    unit: int


@dataclass(frozen=True)
class StatisticsRow:
    """A line of the memcg's statistics: the counters that are added up for it, all in one array."""

    name: str
    array: str  # "state" or "events": which of the memcg's two arrays
    items: tuple[CounterAt, ...]

    def __post_init__(self) -> None:
        _sound(self.array in ("state", "events"))
        _sound_items(self.items)


@dataclass(frozen=True)
class FreeArea:
    """The shape of zone->free_area[]: for each order, lists of 16 bytes by migrate type, then how many blocks are
    free."""

    orders: int
    bytes: int  # of one order
    nr_free: int  # where it lies in there

    def __post_init__(self) -> None:
        _sound(0 <= self.orders < _MAX_ORDERS and _is_number(self.bytes) and _is_number(self.nr_free))


@dataclass(frozen=True)
class MeminfoFacts:
    """Which entry of the machine's arrays of counters is what, and what this kernel's Mem-Info part shows."""

    node: Mapping[str, CounterAt]  # vm_node_stat, pglist_data.vm_stat; by the name that the formats know it by
    zone: Mapping[str, CounterAt]  # vm_zone_stat, zone.vm_stat
    letters: str  # one for each migrate type
    zones: Mapping[str, Optional[int]]  # enum zone_type
    numa: bool
    cma: bool
    by_gfp_zone: bool  # zones and nodes that the allocation cannot use are left out
    hugepages_by_node: bool  # likewise the nodes' huge pages
    free_area: Optional[FreeArea] = None

    def __post_init__(self) -> None:
        _sound("file_pages" in self.node)
        _sound_items((*self.node.values(), *self.zone.values()))
        _sound(all(number is None or _is_number(number) for number in self.zones.values()))


@dataclass(frozen=True)
class Facts:
    """The machine, how its kernel prints, and where its counters lie; absent is None, or what most kernels do."""

    release: Optional[str] = None  # uname -r
    version: Optional[str] = None  # the first word of uname -v
    package: Optional[str] = None  # of a distribution that puts it into its reports
    machine: Optional[str] = None  # uname -m
    host: Optional[str] = None  # its name
    machine_id: Optional[str] = None  # /etc/machine-id
    boot_id: Optional[str] = None  # /proc/sys/kernel/random/boot_id
    boot_unix_ns: Optional[int] = None  # Unix time when the clock of its records was 0, as known at the event
    page_kb: int = 4
    preempt: Optional[str] = None  # as preempt_model_str() has it; None: it is not printed
    task_markers: bool = False  # <TASK> around a call trace
    failcnt_from_events: bool = False  # cgroup v2 prints memory.events' counts as failcnt
    opcode_error: str = "Unable to access opcode bytes at 0x%x."
    taint_flags: Optional[int] = None  # how many print_tainted() knows
    taint_names: bool = False  # each of them is named in a line of its own
    allocations: bool = False  # the kernel counts what each place in its source allocates (vm.mem_profiling, 6.10+)
    preempt_lazy: Optional[bool] = None  # CONFIG_PREEMPT_LAZY, where nothing else tells; None: not known
    # What only a kernel that lists no data (CONFIG_KALLSYMS_ALL=n) has to be asked for in another way.
    taint: Optional[int] = None
    kdump: Optional[bool] = None
    hardware: Optional[str] = None
    cma_pages: Optional[int] = None
    statistics: tuple[StatisticsRow, ...] = ()
    meminfo: Optional[MeminfoFacts] = None
    offsets_bytes: Mapping[str, int] = field(default_factory=dict)  # "task_struct.mm": where the field lies
    charges: Optional[str] = None  # how charges were watched: "off", "batch", "every"
    followed_ns: Optional[int] = None  # of one OOM: until the next in the same memcg
    said: tuple[str, ...] = ()  # of one kill: what its sender wrote into the journal
    oomd_kills: Optional[int] = None  # of one kill: what systemd-oomd has noted on the cgroup
    panic_on_oom: Optional[int] = None  # of one OOM: the sysctl vm.panic_on_oom, if it was set

    def __post_init__(self) -> None:
        _sound(0 < self.page_kb <= _MAX_PAGE_KB)
        _sound(_WITH_ADDRESS.fullmatch(self.opcode_error) is not None)
        numbers = (self.taint_flags, self.followed_ns, self.boot_unix_ns, self.taint, self.cma_pages,
                   self.oomd_kills, self.panic_on_oom)
        _sound(all(number is None or _is_number(number) for number in numbers))

    def to_plain(self) -> dict[str, Any]:
        """As JSON has it; what is not known is not there."""
        from oomtrace.plain import to_plain  # late: a start has no need of it

        return {name: value for name, value in to_plain(self).items() if value is not None}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> tuple[Facts, bool]:
        """The facts of which something can be made, and whether there were others: a capture may come from anywhere."""
        from oomtrace.plain import from_plain  # late, as above

        sound, senseless = cls(), False
        for name in (each.name for each in fields(cls)):
            if plain.get(name) in (None, [], {}):  # what is not known
                continue
            try:
                one = getattr(from_plain(cls, {name: plain[name]}), name)
                sound = replace(sound, **{name: one})
            except ValueError:
                senseless = True
        return sound, senseless


def _is_number(value: int) -> bool:
    return 0 <= value < _MAX_NUMBER


def _sound_items(items: tuple[CounterAt, ...]) -> None:
    _sound(all(_is_number(item.at) and _is_number(item.unit) for item in items))


def _sound(condition: bool) -> None:
    if not condition:
        raise ValueError("this makes no sense")

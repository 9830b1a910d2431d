"""Step 3 where somebody else than the OOM killer killed: how full its cgroup and the machine were then."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import Killed, MemcgLevel, OomEvent, Pressure

from .. import senders
from ..case import Case
from ..finding import LIKELY, Reason
from ..registry import cause
from ..units import percent

_NEAR_PERCENT, _STALLS_PERCENT = 90, 10  # as bpf/pressure.h has the first and the last


class Shortness(Reason):
    LIMITED = "limited"
    NO_LIMIT = "no_limit_up_to_root"
    MACHINE = "machine_memory"
    SWAP = "machine_swap"
    PRESSURE = "pressure"
    CALM = "no_pressure"
    MACHINE_PRESSURE = "machine_pressure"
    MEMCG_NEAR = "memcg_near_limit"
    MACHINE_SHORT = "machine_short"
    NOT_SHORT = "not_short"


@cause("shortness", step=3, place=11, reasons=Shortness, killed=True)
def shortness(event: OomEvent, case: Case) -> None:
    """How full the victim's cgroup and the machine were when a signal ended it, and how long tasks had waited."""
    if event.killed is None:
        return
    fullest = _fullest(event)
    if fullest is not None:
        case.says(Shortness.LIMITED, memcg__path=fullest.path, usage_kb=fullest.usage_kb, limit_kb=_limit_kb(fullest),
                  limit_percent=_percent(fullest))
    elif event.trace.levels:
        case.says(Shortness.NO_LIMIT, usage_kb=event.trace.levels[0].usage_kb)
    _machine(event.killed, case)
    if fullest is not None and (_percent(fullest) or 0) >= _NEAR_PERCENT:
        case.means(Shortness.MEMCG_NEAR, LIKELY)
    elif _machine_short(event.killed):
        case.means(Shortness.MACHINE_SHORT, LIKELY)
    elif event.killed.machine is not None and not senders.kills_for_memory(event):
        case.means(Shortness.NOT_SHORT, LIKELY)


def _machine(killed: Killed, case: Case) -> None:
    machine = killed.machine
    if machine is None:
        return
    case.says(Shortness.MACHINE, ram_kb=machine.ram_kb, free_kb=machine.free_kb, file_kb=machine.file_kb)
    if machine.swap_total_kb:
        case.says(Shortness.SWAP, swap_free_kb=machine.swap_free_kb, swap_total_kb=machine.swap_total_kb)
    _pressure(killed.pressure, machine.pressure, case)


def _pressure(own: Optional[Pressure], machine: Optional[Pressure], case: Case) -> None:
    if machine is not None and not machine.some_avg10:
        case.says(Shortness.CALM, machine_some_avg10=machine.some_avg10)
        return
    if own is not None and own.some_avg10:
        case.says(Shortness.PRESSURE, some_avg10=own.some_avg10, full_avg10=own.full_avg10)
    if machine is not None:
        case.says(Shortness.MACHINE_PRESSURE, machine_some_avg10=machine.some_avg10)


def _limit_kb(level: MemcgLevel) -> Optional[int]:
    limits = [kb for kb in (level.limit_kb, level.high_kb) if kb is not None]
    return min(limits) if limits else None


def _percent(level: MemcgLevel) -> Optional[float]:
    return percent(level.usage_kb or 0, _limit_kb(level))


def _fullest(event: OomEvent) -> Optional[MemcgLevel]:
    """The level with a limit that was fullest."""
    limited = [level for level in event.trace.levels if _limit_kb(level)]
    return max(limited, key=lambda level: _percent(level) or 0.0, default=None)


def _machine_short(killed: Killed) -> bool:
    machine = killed.machine
    if machine is None or not machine.ram_kb:
        return False
    available = (machine.free_kb or 0) + (machine.file_kb or 0)
    stalls = machine.pressure is not None and (machine.pressure.some_avg10 or 0.0) >= _STALLS_PERCENT
    return available * 10 < machine.ram_kb or stalls

"""Swap that is not there or not allowed."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import OomEvent

from .. import look
from ..account import Kind, account
from ..causes.full import declared_by_bpf
from ..finding import Reason, Statement, facts
from ..registry import Cases, advice


class Swapping(Reason):
    NOT_ALLOWED = "not_allowed"
    NONE = "none"


def _matters(event: OomEvent) -> bool:
    """Could swap have made room? Only if a good part is anonymous or tmpfs, and memory had run out."""
    found = account(event)
    if found is None or not found.total_kb or found.part(Kind.FREE) * 4 >= found.total_kb:
        return False
    kb = found.part(Kind.ANON, Kind.ANON_OR_SHMEM, Kind.SHMEM, Kind.SWAPCACHE)
    return kb * 5 >= found.total_kb and not declared_by_bpf(event)


@advice("swap", 110)
def not_allowed(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """memory.swap.max is 0."""
    memcg = event.report.memcg
    if look.scope(event) != "memcg" or memcg is None or memcg.swap is None or look.limit_kb(memcg.swap) != 0:
        return None
    if not _matters(event):
        return None
    return Statement(Swapping.NOT_ALLOWED, facts(memcg__path=look.full_path(event)))


@advice("swap", 120)
def none(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """The machine has none."""
    tail = event.report.meminfo.tail if event.report.meminfo is not None else {}
    found = account(event)
    if tail.get("total_swap_kb") != 0 or found is None or not found.total_kb or look.scope(event) == "sysrq":
        return None
    if not _matters(event):
        return None
    kb = found.part(Kind.ANON, Kind.ANON_OR_SHMEM, Kind.SHMEM)
    return Statement(Swapping.NONE, facts(anon_kb=kb))

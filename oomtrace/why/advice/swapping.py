"""Swap that is not there or not allowed."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import OomEvent

from .. import look
from ..account import Kind, account
from ..finding import Reason, Statement, facts
from ..registry import Cases, advice


class Swapping(Reason):
    NOT_ALLOWED = "not_allowed"
    NONE = "none"


@advice("swap", 110)
def not_allowed(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """memory.swap.max is 0."""
    memcg = event.report.memcg
    if look.scope(event) != "memcg" or memcg is None or memcg.swap is None or look.limit_kb(memcg.swap) != 0:
        return None
    return Statement(Swapping.NOT_ALLOWED, facts(memcg__path=look.full_path(event)))


@advice("swap", 120)
def none(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """The machine has none."""
    tail = event.report.meminfo.tail if event.report.meminfo is not None else {}
    found = account(event)
    if tail.get("total_swap_kb") != 0 or found is None or not found.total_kb or look.scope(event) == "sysrq":
        return None
    top = found.biggest
    if top is None or top.kind not in (Kind.ANON, Kind.ANON_OR_SHMEM):
        return None
    return Statement(Swapping.NONE, facts(anon_kb=top.kb, filler=top.kind))

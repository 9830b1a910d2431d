"""What the full memory consisted of, from whichever statistics the report has, in kB.

Three vocabularies: the one-line ``name:…KB`` form of kernels up to 5.2 (values of each memcg alone, a line for every
memcg below), the ``memory.stat`` list of 5.3+ (values with all below), and Mem-Info for everything else.
"""

from __future__ import annotations

from typing import Optional

from oomtrace.model import OomEvent

from . import look
from .account_machine import machine_account, managed_kb
from .account_memcg import memcg_account, tasks_anon_kb
from .finding import Size
from .kinds import Account, Kind, Part
from .units import percent

__all__ = ["Account", "Kind", "Part", "account", "amounts", "managed_kb", "tasks_anon_kb"]


@look.once
def account(event: OomEvent) -> Optional[Account]:
    """The account of what was full, None if the source has no statistics of it."""
    return memcg_account(event) if look.scope(event) == "memcg" else machine_account(event)


def amounts(event: OomEvent) -> tuple[Size, ...]:
    """The account as rows to show: the largest first, and last what is not accounted for."""
    found = account(event)
    if found is None:
        return ()
    parts = sorted((part for part in found.parts if part.kb), key=lambda part: -part.kb)
    if found.left_kb is not None and found.left_kb > 0:
        parts.append(Part(Kind.NOT_ACCOUNTED, found.left_kb))
    return tuple(Size(part.kind, part.kb, percent(part.kb, found.total_kb)) for part in parts)

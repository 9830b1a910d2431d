"""Which kind of OOM it was: what had no memory left. How the kernel decides it, and how its words show it.

mm/oom_kill.c: constrained_alloc(), out_of_memory(); mm/memcontrol.c: mem_cgroup_out_of_memory().
"""

from __future__ import annotations

from typing import Optional

MEMCG, GLOBAL, CPUSET, MEMPOLICY, SYSRQ = "memcg", "global", "cpuset", "mempolicy", "sysrq"

# enum oom_constraint (include/linux/oom.h), in the order of its numbers.
CONSTRAINTS: tuple[str, ...] = (
    "CONSTRAINT_NONE", "CONSTRAINT_CPUSET", "CONSTRAINT_MEMORY_POLICY", "CONSTRAINT_MEMCG",
)
_KINDS = dict(zip(CONSTRAINTS, (GLOBAL, CPUSET, MEMPOLICY, MEMCG)))

SYSRQ_ORDER = -1  # is_sysrq_oom()

# What mem_cgroup_out_of_memory() and out_of_memory() give oom_kill_process() to say.
MEMCG_MESSAGE = "Memory cgroup out of memory"
GLOBAL_MESSAGE = "Out of memory"

# Who called out_of_memory(), or did its work, by the beginning of a function's name in the call trace.
_CALLERS = (
    ("moom_callback", SYSRQ),
    ("mem_cgroup_out_of_memory", MEMCG),
    ("mem_cgroup_oom_synchronize", MEMCG),
    ("__alloc_pages", GLOBAL),
)


def kind_of(constraint: Optional[str] = None, memcg: bool = False, order: Optional[int] = None) -> Optional[str]:
    """The kind of an OOM. ``memcg``: was it a memcg whose limit was hit? ``order``: of the allocation.

    The memcg counts more than the constraint: 5.0 prints CONSTRAINT_NONE of a memcg's OOM, too. None if nothing tells.
    """
    if order == SYSRQ_ORDER:
        return SYSRQ
    if memcg:
        return MEMCG
    return _KINDS.get(constraint, GLOBAL) if constraint is not None else None


def constraint_of(kind: Optional[str]) -> Optional[str]:
    """The constraint that the kernel would print of that kind."""
    names = {known: name for name, known in _KINDS.items()}
    return names.get(GLOBAL if kind == SYSRQ else kind or "")


def constraint_name(number: int) -> Optional[str]:
    """The name of a value of enum oom_constraint."""
    return CONSTRAINTS[number] if 0 <= number < len(CONSTRAINTS) else None


def message_of(kind: Optional[str]) -> Optional[str]:
    """The words before "Killed process"."""
    return None if kind is None else MEMCG_MESSAGE if kind == MEMCG else GLOBAL_MESSAGE


def kind_of_caller(symbol: str) -> Optional[str]:
    """The kind that a function in the call trace shows, if it is one that shows it."""
    return next((kind for beginning, kind in _CALLERS if symbol.startswith(beginning)), None)

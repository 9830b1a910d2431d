"""What each known cause asks for: the file, knob or command."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import OomEvent

from .. import look
from ..account import Kind, account
from ..account_machine import managed_kb
from ..causes.earlier import Earlier
from ..causes.full import Full
from ..causes.killed import Killed
from ..causes.reclaim import Reclaim
from ..causes.together import Together
from ..finding import Reason, Statement, facts
from ..registry import Cases, advice


class Remedies(Reason):
    NEEDLESS_KILL = "needless_kill"
    KILLED_WHILE_FREE = "killed_while_free"
    LIMIT_LOWERED = "limit_lowered"
    BPF_POLICY = "bpf_policy"
    CPUSET = "cpuset"
    MEMPOLICY = "mempolicy"
    DIRTY = "dirty"
    DIRTY_MEMCG = "dirty_memcg"
    RAMFS = "ramfs"
    UNEVICTABLE = "unevictable"
    NO_COUNTER = "no_counter"
    SAME_NAME = "same_name"
    NOBODY = "nobody"
    PROTECTED = "protected"
    ALLOW_KILLS = "allow_kills"


def _has(cases: Cases, id: str, *reasons: Reason) -> bool:
    return id in cases and cases[id].has(*reasons)


@advice("earlier", 1)
def needless(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """A kill too many."""
    if _has(cases, "earlier", Earlier.ASKER_WAS_KILLED):
        lost = _has(cases, "full", Full.CONTEXT_LOST, Full.CONTEXT_LOST_WHILE_FREE)
        return Statement(Remedies.NEEDLESS_KILL) if lost else None
    if _has(cases, "earlier", Earlier.MEMORY_HAD_COME_BACK):
        before = cases["earlier"].value("reaped") or cases["earlier"].value("killed_before")
        return Statement(Remedies.KILLED_WHILE_FREE, facts(before=before))
    return None


@advice("full", 2)
def lowered(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """The limit was set below what is in use."""
    if not _has(cases, "full", Full.LIMIT_LOWERED, Full.LIMIT_HAD_BEEN_LOWERED):
        return None
    return Statement(Remedies.LIMIT_LOWERED, facts(usage_kb=cases["full"].value("usage_kb")))


@advice("full", 3)
def bpf(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """A BPF program's policy."""
    return Statement(Remedies.BPF_POLICY) if _has(cases, "full", Full.DECLARED_BY_BPF) else None


@advice("full", 4)
def disabled(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """cgroup v1 with OOM killing disabled."""
    if event.trace.wait is None or event.trace.wait.over:
        return None
    return Statement(Remedies.ALLOW_KILLS, facts(memcg__path=look.full_path(event)))


@advice("full", 7)
def nodes(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """NUMA nodes that are too few."""
    reason = {"cpuset": Remedies.CPUSET, "mempolicy": Remedies.MEMPOLICY}.get(look.scope(event) or "")
    if reason is None:
        return None
    return Statement(reason, facts(nodes=cases["full"].value("nodes"), cpuset=_cpuset(event),
                                   managed_kb=managed_kb(event)))


def _cpuset(event: OomEvent) -> Optional[str]:
    summary = event.report.summary
    return event.report.trigger.cpuset or (summary.cpuset if summary is not None else None)


@advice("filled", 16)
def ramfs(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """Files that nothing can reclaim."""
    found = account(event)
    if found is None or not found.total_kb or found.part(Kind.RAMFS) * 4 < found.total_kb:
        return None
    return Statement(Remedies.RAMFS, facts(ramfs_kb=found.part(Kind.RAMFS), total_kb=found.total_kb))


@advice("reclaim", 25)
def dirty(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """File pages that waited to be written."""
    if not _has(cases, "reclaim", Reclaim.DIRTY):
        return None
    memcg = look.scope(event) == "memcg"
    return Statement(Remedies.DIRTY_MEMCG if memcg else Remedies.DIRTY,
                     facts(busy_kb=cases["reclaim"].value("busy_kb"), memcg__path=look.full_path(event)))


@advice("reclaim", 26)
def unevictable(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """Locked memory; ramfs has an advice of its own."""
    found = account(event)
    if not _has(cases, "reclaim", Reclaim.UNEVICTABLE) or found is None or found.part(Kind.RAMFS):
        return None
    kb = found.details.get("unevictable_kb", 0)
    if kb * 4 < (found.total_kb or 0):
        return None
    return Statement(Remedies.UNEVICTABLE, facts(unevictable_kb=kb))


@advice("reclaim", 27)
def protected(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """memory.min of what is below."""
    if not _has(cases, "reclaim", Reclaim.PROTECTED_MIN):
        return None
    return Statement(Remedies.PROTECTED, facts(min_protection_kb=cases["reclaim"].value("min_protection_kb")))


@advice("filled", 28)
def no_counter(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """Memory that no counter of the report has, and that is more than any that has one."""
    left, found = _left_kb(event), account(event)
    most = found.biggest.kb if found is not None and found.biggest is not None else 0
    return Statement(Remedies.NO_COUNTER, facts(left_kb=left)) if left > most else None


@advice("filled", 55)
def no_counter_besides(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """The same, a good part of the machine beside something that is larger."""
    return Statement(Remedies.NO_COUNTER, facts(left_kb=_left_kb(event))) if _left_kb(event) and no_counter(
        event, cases) is None else None


def _left_kb(event: OomEvent) -> int:
    """What no counter has; 0 where that is less than a fifth of the machine."""
    found = account(event)
    if found is None or not found.total_kb or look.scope(event) == "memcg":
        return 0
    left = found.left_kb or 0
    return left if left * 5 >= found.total_kb else 0


@advice("together", 65)
def same_name(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """Many processes of one name."""
    case = cases["together"]
    kb, number = case.value("same_name_kb"), case.value("processes")
    each = kb // number if isinstance(kb, int) and isinstance(number, int) else None
    shared = "with what they share" if case.has(Together.SAME_NAME_AT_MOST) else None
    return Statement(Remedies.SAME_NAME, facts(counted=shared, comm=case.value("comm"), processes=number, each_kb=each,
                                               same_name_kb=kb))


@advice("killed", 95)
def nobody(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """Nothing that could be killed."""
    if _has(cases, "killed", Killed.PASSED_OVER):
        return None  # there are such, and the kernel passed them over
    exempt = event.report.tasks and _has(cases, "killed", Killed.NOBODY_KILLABLE)
    return Statement(Remedies.NOBODY) if exempt else None

"""oom_badness() recomputed for every task of a report, by the formula of its kernel (mm/oom_kill.c).

====================  ============================================================================================
3.5 … 3.13            rss + nr_ptes + swapents + adj × (totalpages / 1000), at least 1; a7f638f999ff. The superuser's
                      bonus (CAP_SYS_ADMIN) is 30 off adj
3.14 … 4.16, RHEL 7   the bonus is 3 % of the points: 778c14affaf9 (which stable kernels before 3.14 have too)
4.1                   + nr_pmds: dc6c9a35b66b
4.15                  pgtables_bytes / PAGE_SIZE in place of nr_ptes + nr_pmds: af5b0f6a09e4
4.17                  no bonus: d46078b28889
5.9                   may be negative: 9066e5cfb73c
====================  ============================================================================================

Before 3.5 the points are per mille of totalpages, and the table shows neither swap nor page tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Callable, NamedTuple, Optional

from oomtrace.model import OomEvent, Task

from . import look
from .finding import Reason
from .totalpages import UNBOUNDED, Totalpages, totalpages

OOM_SCORE_ADJ_MIN = -1000

# The superuser's bonus: (pages without adj, totalpages) → pages off. Whether a task had CAP_SYS_ADMIN no report says.
Bonus = Callable[[int, int], int]
BONUSES: Mapping[str, Bonus] = {
    "none": lambda pages, total: 0,
    "3 %": lambda pages, total: pages * 3 // 100,
    "30 off adj": lambda pages, total: 30 * (total // 1000),
}


@dataclass(frozen=True)
class Formula:
    """What differs between kernels besides the table's columns."""

    root: tuple[str, ...] = ("none",)  # the bonuses that a task of uid 0 may have had, the usual one first
    floor: Optional[int] = None  # no points below this


def formula(event: OomEvent) -> Optional[Formula]:
    """The formula of the event's kernel, None if it is not known."""
    version = look.version(event)
    if version is None:
        return _by_columns(event)
    if version < (3, 5):
        return None
    if version >= (5, 9):
        return Formula()
    if version >= (4, 17):
        return Formula(floor=1)
    old = version < (3, 14) and ".el7" not in (event.report.machine.release or "")
    return Formula(root=("3 %", "30 off adj", "none") if old else ("3 %", "none"), floor=1)


def _by_columns(event: OomEvent) -> Optional[Formula]:
    """Of a report without its kernel's release: the table's columns tell enough, if the floor does not matter."""
    rows = event.report.tasks or ()
    if any(task.nr_pmds is not None for task in rows):  # 4.1 and later
        return Formula(root=("3 %", "none"), floor=1)
    if any(task.nr_ptes is not None for task in rows):
        return Formula(root=("3 %", "30 off adj", "none"), floor=1)
    if any(task.pgtables_bytes is not None for task in rows):
        # 4.15 and 4.16 have the bonus and these columns.
        return Formula(floor=None) if _since_5_0(event) else Formula(root=("none", "3 %"), floor=1)
    return None


def _since_5_0(event: OomEvent) -> bool:
    """From 5.0 on there is a summary line, and the kill line begins with the message of what was up to 5.0 the
    verdict (bbbe48029720); 5.4 puts the uid at its end."""
    kills = event.report.kills
    return event.report.summary is not None or (
        event.report.verdict is None and any(kill.message is not None or kill.uid is not None for kill in kills))


_NO_BONUS = ("none",)


class Weighed(NamedTuple):
    """A task and its points, as far as they can be known: (least, most) with the least and the most totalpages.

    A tuple, as it is made for every task of a table, and a frozen dataclass takes four times as long to make.
    """

    task: Task
    pages: int  # rss, swap and page tables
    low: tuple[int, int]
    high: tuple[int, int]
    floor: Optional[int]
    exempt: Optional[Exempt] = None

    def surely_at_least(self, other: "Weighed") -> bool:
        """Points are linear in totalpages (but for the floor), so both bounds decide for all between."""
        return self.low[0] >= other.low[1] and self.high[0] >= other.high[1]

    def surely_above(self, other: "Weighed") -> bool:
        """The same, and by more than a tie at the floor."""
        return self._floored(self.low[0]) > self._floored(other.low[1]) and self._floored(
            self.high[0]
        ) > self._floored(other.high[1])

    def _floored(self, value: int) -> int:
        return value if self.floor is None else max(value, self.floor)


class Exempt(Reason):
    """Why a task could not be chosen, in the kernel's terms (oom_badness, oom_evaluate_task)."""

    INIT = "init"
    ADJ = "oom_score_adj"  # OOM_SCORE_ADJ_MIN
    SKIP = "MMF_OOM_SKIP"  # killed before, or given up by the oom_reaper
    IN_VFORK = "in_vfork"
    NO_MM = "no mm"
    OTHER = "other"


_SKIPPED = {reason.value: reason for reason in Exempt}


def exempt(task: Task) -> Optional[Exempt]:
    """Why the kernel could not choose the task, as far as the table tells."""
    if task.pid == 1 or task.tgid == 1:
        return Exempt.INIT
    return Exempt.ADJ if task.oom_score_adj == OOM_SCORE_ADJ_MIN else None


def pages_of(task: Task, page_kb: int) -> Optional[int]:
    """What the formula adds up, None if the table does not show all of it."""
    rss, swap, tables = task.rss_pages, task.swapents_pages, task.pgtables_bytes
    if rss is None or swap is None:
        return None
    if tables is not None:
        return rss + swap + tables // (page_kb * 1024)
    if task.nr_ptes is not None:
        return rss + swap + task.nr_ptes + (task.nr_pmds or 0)
    return None


def points(pages: int, adj: int, total: int, bonus: str = "none") -> int:
    """oom_badness() without its floor."""
    return pages - BONUSES[bonus](pages, total) + adj * (total // 1000)


def score(value: int, total: int) -> int:
    """What kernels up to 5.0 print: per mille of totalpages."""
    return value * 1000 // total if total else 0


def bonuses(task: Task, rule: Formula) -> tuple[str, ...]:
    """The bonuses that the task may have had."""
    return rule.root if task.uid == 0 else ("none",)


def weigh(event: OomEvent, total: Optional[Totalpages] = None) -> tuple[Weighed, ...]:
    """Every task that can be weighed, in the table's order; with ``total``, if totalpages are known to be within it."""
    rule = formula(event)
    total = total or totalpages(event) or Totalpages(0, UNBOUNDED)
    if rule is None:
        return ()
    size = look.page_kb(event)
    of_low, of_high = total.low // 1000, total.high // 1000  # what one of oom_score_adj counts for
    floor, root = rule.floor, rule.root
    weighed: list[Weighed] = []
    for task, skipped in tasks(event):
        pages, adj = pages_of(task, size), task.oom_score_adj
        if pages is None or adj is None:
            continue
        reason = exempt(task) if skipped is None else exempt(task) or _SKIPPED.get(skipped, Exempt.OTHER)
        had = root if task.uid == 0 else _NO_BONUS
        if had == _NO_BONUS and not adj:  # of most, and tables are long
            low = high = (pages, pages)
        elif had == _NO_BONUS:
            least, most = pages + adj * of_low, pages + adj * of_high
            low, high = (least, least), (most, most)
        else:
            low, high = _ends(pages, adj, total.low, had), _ends(pages, adj, total.high, had)
        weighed.append(Weighed(task, pages, low, high, floor, reason))
    return tuple(weighed)


def without_adj(event: OomEvent, weighed: Iterable[Weighed]) -> tuple[Weighed, ...]:
    """Those that may have the most points if every oom_score_adj were 0, with their points then."""
    rule, total = formula(event), totalpages(event) or Totalpages(0, UNBOUNDED)
    if rule is None:
        return ()
    able = [w for w in weighed if w.exempt is None or w.exempt is Exempt.ADJ]
    flat = []
    surely = 0  # points that somebody has
    for w in sorted(able, key=lambda w: -w.pages):  # nobody has more points than pages
        if w.pages < surely:
            break
        had = bonuses(w.task, rule)
        low, high = _ends(w.pages, 0, total.low, had), _ends(w.pages, 0, total.high, had)
        flat.append(w._replace(low=low, high=high, exempt=None))
        surely = max(surely, min(low[0], high[0]))
    return tuple(flat)


def _ends(pages: int, adj: int, total: int, had: tuple[str, ...]) -> tuple[int, int]:
    """The least and the most points, by the bonus that the task may have had."""
    if len(had) == 1:
        value = points(pages, adj, total, had[0])
        return value, value
    found = [points(pages, adj, total, bonus) for bonus in had]
    return min(found), max(found)


def tasks(event: OomEvent) -> tuple[tuple[Task, Optional[str]], ...]:
    """The tasks weighed and why one was skipped: as the kernel went through them, otherwise the table's rows."""
    live = tuple((candidate.task, candidate.skipped) for candidate in event.trace.candidates)
    return live or tuple((task, None) for task in event.report.tasks or ())

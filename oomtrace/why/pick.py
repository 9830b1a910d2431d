"""Step 5: why this victim. The badness of every candidate recomputed and compared with what the kernel did."""

from __future__ import annotations

from typing import List, Optional, Tuple

from oomtrace.model import OomEvent

from . import badness, look
from .badness import Weighed
from .finding import CERTAIN, LIKELY, UNKNOWN, Fact, Finding, facts
from .ranking import Ranking, rank
from .totalpages import totalpages
from .units import exact, plural

_TITLE = "pick"
_LONG_MAX = (1 << 63) - 1


def pick(event: OomEvent) -> Optional[Finding]:
    """Was it the task with the most points?"""
    chosen = look.chosen(event)
    if chosen is None:
        return None
    name = look.who(*chosen)
    if _allocating(event):
        return Finding(
            "pick", 5, _TITLE,
            f"{name} was killed because it asked for the memory: vm.oom_kill_allocating_task is set.",
            facts(kill__message=_message(event)), "No badness was compared.",
        )
    if event.trace.chosen_points is not None and event.trace.chosen_points >= _LONG_MAX:
        return Finding(
            "pick", 5, _TITLE, f"{name} was picked at once: it had asked to be the first to go (oom_task_origin), as "
            "swapoff and KSM do.", facts(chosen_points=event.trace.chosen_points), "No badness was compared.",
        )
    why_not = _unweighable(event, chosen[0])
    ranking = rank(event)
    if why_not is not None or ranking is None or ranking.chosen is None:
        return Finding(
            "pick", 5, _TITLE, f"The kernel picked {name}{_printed(event)}.", _printed_facts(event),
            f"Whether its badness was the highest cannot be recomputed: {why_not or 'the table does not show enough'}.",
            UNKNOWN,
        )
    interpretation, confidence = _judgement(event, ranking)
    sentence = _sentence(event, ranking, name)
    return Finding("pick", 5, _TITLE, sentence, _facts(event, ranking), interpretation, confidence)


def _message(event: OomEvent) -> Optional[str]:
    if event.report.verdict is not None:
        return event.report.verdict.message
    return event.report.kills[0].message if event.report.kills else None


def _allocating(event: OomEvent) -> bool:
    """vm.oom_kill_allocating_task puts itself into the message (mm/oom_kill.c, out_of_memory)."""
    return "oom_kill_allocating_task" in (_message(event) or "")


def _unweighable(event: OomEvent, pid: int) -> Optional[str]:
    if not badness.tasks(event):
        return "there is no task table"
    version = look.version(event)
    if version is not None and version < (3, 5):
        return "this kernel's table shows neither swap nor page tables"
    if badness.formula(event) is None:
        return "the kernel's version is not known"
    ranking = rank(event)
    row = look.row_of(event, pid)
    if row is None and (ranking is None or ranking.chosen is None or not ranking.reading.fits):
        return "the task table has no row of it"
    row = row or (ranking.chosen.task if ranking is not None and ranking.chosen is not None else None)
    if row is None:
        return "the task table has no row of it"
    if badness.pages_of(row, look.page_kb(event)) is None or row.oom_score_adj is None:
        return "its row lacks columns that count"
    return None


def _printed(event: OomEvent) -> str:
    return f", score {event.report.verdict.score}" if event.report.verdict is not None else ""


def _printed_facts(event: OomEvent) -> Tuple[Fact, ...]:
    verdict = event.report.verdict
    return facts(verdict__score=verdict.score if verdict else None, chosen_points=event.trace.chosen_points)


def _sentence(event: OomEvent, ranking: Ranking, name: str) -> str:
    assert ranking.chosen is not None
    points, score = ranking.points(ranking.chosen), ranking.score(ranking.chosen)
    said = f"{name} has {plural(points, 'point')}"
    said += _score(event, ranking, score)
    others = [w for w in ranking.candidates if w is not ranking.chosen]
    if not others:
        return said + "; no other task is listed that could be chosen."
    best = others[0]
    name, listed = look.who(best.task.pid, best.task.comm), plural(len(ranking.candidates), "listed candidate")
    if ranking.points(best) == ranking.points(ranking.chosen):
        return f"{said}, as many as {name}: the most of {listed}."
    runner = f"{name} with {plural(ranking.points(best), 'point')}"
    place = ranking.candidates.index(ranking.chosen) + 1 if ranking.chosen in ranking.candidates else None
    if place == 1:
        return f"{said}: the most of {listed}; next {runner}."
    return f"{said}: number {place} of {listed}, behind {runner}."


def _score(event: OomEvent, ranking: Ranking, score: Optional[int]) -> str:
    """The recomputed score beside the printed one."""
    verdict, reading = event.report.verdict, ranking.reading
    if verdict is None:
        return f", score {score}" if score is not None else ""
    if reading.fitted and reading.total_range is not None:
        low, high = reading.total_range
        return f"; the kernel's score {verdict.score} follows from them if totalpages are {low} to {high}"
    if score is None:
        return f"; the kernel printed score {verdict.score}"
    said = " as the kernel printed" if score == verdict.score else f"; the kernel printed {verdict.score}"
    return f", score {score}{said}"


def _judgement(event: OomEvent, ranking: Ranking) -> Tuple[str, str]:
    """The interpretation and how sure it is."""
    assert ranking.chosen is not None
    if ranking.chosen.exempt is not None:
        return f"The kernel's choice contradicts the table: {ranking.chosen.exempt} is exempt.", UNKNOWN
    if ranking.above:
        return _disagreement(ranking), UNKNOWN
    if ranking.reading.fits is False:
        return ("The recomputed ranking agrees with the kernel's choice, but the printed score does not follow from "
                "the numbers in the report."), LIKELY
    if ranking.unsure:
        first = ranking.candidates[0] is ranking.chosen
        doubt = _doubt(event, ranking)
        said = "agrees" if first else "does not rule out the choice"
        return f"The recomputed ranking {said}; its order depends on {doubt}, which the report does not tell.", LIKELY
    if event.origin.missing and look.scope(event) == "global" and len(ranking.candidates) + len(ranking.exempt) == 1:
        return "The table has no other task to compare it with, and the report is not complete.", LIKELY
    wrong, same = _beside_the_kernel(event, ranking)
    if wrong:
        return f"The ranking agrees with the kernel's choice, but the points differ: {wrong}.", LIKELY
    also = f", and the points with the kernel's own of {plural(same, 'task')}" if same else ""
    return f"The recomputed ranking agrees with the kernel's choice{also}.", CERTAIN


def _disagreement(ranking: Ranking) -> str:
    named = ", ".join(look.who(w.task.pid, w.task.comm) for w in ranking.above[:3])
    more = f" and {len(ranking.above) - 3} more" if len(ranking.above) > 3 else ""
    return (f"DISAGREEMENT: by the table {named}{more} had more points. Such a task may have been passed over (killed "
            "before and not gone yet, within vfork), may have grown after the choice, or may not have been allowed; "
            "the report does not say which.")


def _doubt(event: OomEvent, ranking: Ranking) -> str:
    adjs = {w.task.oom_score_adj for w in (*ranking.unsure, ranking.chosen) if w is not None}
    total = totalpages(event)
    if len(adjs) > 1 and (total is None or total.exact is None):
        return "totalpages"
    return "whether root's processes had CAP_SYS_ADMIN"


def _beside_the_kernel(event: OomEvent, ranking: Ranking) -> Tuple[str, int]:
    """The points that a live trace saw, against ours: those that differ, and how many are the same. Up to 5.8 the
    kernel's are never less than 1 (9066e5cfb73c), up to 5.2 per mille."""
    version = look.version(event)
    if ranking.chosen is None or version is None or version < (5, 3):
        return "", 0
    kernel = {each.task.pid: each.points for each in event.trace.candidates if each.points is not None}
    if event.trace.chosen_points is not None:
        kernel[ranking.chosen.task.pid] = event.trace.chosen_points
    pairs = [(w, ranking.points(w), kernel[w.task.pid]) for w in ranking.candidates if w.task.pid in kernel]
    wrong = [f"{look.who(w.task.pid, w.task.comm)} recomputed {ours}, the kernel's {theirs}"
             for w, ours, theirs in pairs if ours != theirs]
    return ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""), len(pairs) - len(wrong)


def _facts(event: OomEvent, ranking: Ranking) -> Tuple[Fact, ...]:
    assert ranking.chosen is not None
    task = ranking.chosen.task
    reading = ranking.reading
    bonus = reading.bonus if task.uid == 0 and len(ranking.rule.root) > 1 else None
    return facts(
        task__rss_pages=task.rss_pages,
        task__swapents_pages=task.swapents_pages,
        task__nr_ptes=task.nr_ptes,
        task__nr_pmds=task.nr_pmds,
        task__pgtables_bytes=task.pgtables_bytes,
        task__oom_score_adj=task.oom_score_adj,
        task__uid=task.uid,
        root_bonus=bonus,
        points=ranking.points(ranking.chosen),
        totalpages=reading.total,
        score=ranking.score(ranking.chosen),
        candidates=len(ranking.candidates),
        ranked_above=len(ranking.above),
        ranked_perhaps_above=len(ranking.unsure),
    ) + _printed_facts(event)


@look.once
def without_adj(event: OomEvent) -> Optional[Finding]:
    """Which task would have been picked if every oom_score_adj were 0."""
    ranking = rank(event)
    if ranking is None or ranking.chosen is None or _allocating(event):
        return None
    everyone = (*ranking.candidates, *ranking.exempt)
    adjusted = [w for w in everyone if w.task.oom_score_adj]
    if not adjusted:
        return None
    title = "without adj"
    flat = [w for w in badness.weigh(event, adj=0) if w.exempt is None]
    best = max(flat, key=lambda w: w.low[0])
    rivals = [w for w in flat if w is not best and not best.surely_at_least(w)]
    evidence = facts(tasks_with_adj=len(adjusted), chosen__oom_score_adj=ranking.chosen.task.oom_score_adj)
    if rivals:
        named = [look.who(w.task.pid, w.task.comm) for w in (best, *rivals[:2])]
        return Finding("adj", 5, title, f"With every oom_score_adj at 0 it would have been one of {', '.join(named)}.",
                       evidence, "Which one depends on whether root's processes had CAP_SYS_ADMIN.", UNKNOWN)
    same = best.task.pid == ranking.chosen.task.pid
    whom = "the same task" if same else look.who(best.task.pid, best.task.comm)
    return Finding(
        "adj", 5, title, f"With every oom_score_adj at 0 it would have been {whom}.",
        evidence + facts(then__pid=best.task.pid, then__comm=best.task.comm, then__points=best.low[0]),
        None if same else "oom_score_adj decided the pick.",
    )


# What a live trace has in the kernel's terms (oom_badness, oom_evaluate_task).
_REASONS = {
    "oom_score_adj": "oom_score_adj -1000",
    "MMF_OOM_SKIP": "killed before, or given up by the oom_reaper (MMF_OOM_SKIP)",
    "in_vfork": "within vfork, its memory is its parent's",
    "no mm": "no memory of its own any more",
}


def exempt(event: OomEvent) -> Optional[Finding]:
    """Who could not be chosen, and why."""
    ranking = rank(event)
    if ranking is None or not ranking.exempt:
        return None
    size = look.page_kb(event)
    held = sum((w.task.rss_pages or 0) * size for w in ranking.exempt)
    named = [f"{look.who(w.task.pid, w.task.comm)}: {_REASONS.get(w.exempt or '', w.exempt)}"
             for w in ranking.exempt[:2]]
    more = f" and {len(ranking.exempt) - 2} more" if len(ranking.exempt) > 2 else ""
    return Finding(
        "exempt", 5, "exempt",
        f"{plural(len(ranking.exempt), 'task')} could not be chosen, resident {exact(held)}: {'; '.join(named)}{more}.",
        facts(exempt_tasks=len(ranking.exempt), exempt_rss_kb=held) + _reasons(ranking.exempt),
    )


def _reasons(weighed: Tuple[Weighed, ...]) -> Tuple[Fact, ...]:
    counts: List[str] = [w.exempt or "" for w in weighed]
    return tuple(Fact(f"exempt.{reason}", counts.count(reason)) for reason in sorted(set(counts)))

"""Step 5: why this victim."""

from __future__ import annotations

from ..badness import Exempt
from ..causes.adj import Adj
from ..causes.exempt import NotChosen
from ..causes.pick import Pick
from ..causes.totalpages import Counted, SwapLimit
from ..units import exact, human, plural
from .template import Facts, fill, who, word

TITLES = {"pick": "pick", "totalpages": "totalpages", "adj": "without adj", "exempt": "exempt"}

WORDS = {
    Exempt.INIT: "init",
    Exempt.ADJ: "oom_score_adj -1000",
    Exempt.SKIP: "killed before, or given up by the oom_reaper (MMF_OOM_SKIP)",
    Exempt.IN_VFORK: "within vfork, its memory is its parent's",
    Exempt.NO_MM: "no memory of its own any more",
    Exempt.OTHER: "passed over",
    SwapLimit.NONE: "its limit allows none",  # why no swap was counted
    SwapLimit.UNKNOWN: "none is on, swappiness is 0, or its limit allows none",
}


def _no_swap(facts: Facts) -> str:
    limit = facts.get("swap_limit")
    return f"No swap was counted: {word(limit) if limit is not None else 'none is on, or swappiness is 0'}."


def _cannot(why: str) -> str:
    return f"Whether it had the most points cannot be recomputed: {why}."


def _points(facts: Facts) -> str:
    said = f"{who(facts['chosen'])} has {plural(facts['points'], 'point')}"
    score, printed, low = facts.get("score"), facts.get("verdict.score"), facts.get("totalpages_low")
    if printed is None and score is not None and score > 1000:
        return f"{said}, score {score} (1000 is all there is)."
    if printed is None:
        return said + (f", score {score}." if score is not None else ".")
    if low is not None:
        return (f"{said}. The kernel printed score {printed}, which fits these points if totalpages, the size that it "
                f"compares with, is {low} to {facts['totalpages_high']} pages.")
    if score is None:
        return f"{said}. The kernel printed score {printed}."
    return f"{said}, score {score}. The kernel printed " + ("the same score." if score == printed else f"{printed}.")


def _disagrees(facts: Facts) -> str:
    more = f" and {facts['more_above']} more" if "more_above" in facts else ""
    return fill("DISAGREEMENT: by the table, {above}" + more + " had more points. Such a task may have been passed "
                "over (killed before and not gone yet, within vfork), may have grown after the choice, or may not "
                "have been allowed. The report does not say which.", facts)


def _depends(facts: Facts, on: str) -> str:
    said = "agrees with the kernel's choice" if facts["first"] else "does not rule this choice out"
    return f"Our ranking {said}, but the order depends on {on}, which the report does not tell."


def _differ(facts: Facts) -> str:
    wrong = ", ".join(f"{who(one)} ours {one.points}, the kernel's {one.kernel_points}" for one in facts["differing"])
    more = f" and {facts['more_differing']} more" if "more_differing" in facts else ""
    return f"Our ranking agrees with the kernel's choice, but the points differ: {wrong}{more}."


def _agrees(facts: Facts) -> str:
    same = facts.get("same_points")
    if same is None and "only_one" in facts:
        return "The table leaves no other choice."
    if same is None:
        return "Our ranking agrees with the kernel's choice."
    tasks = "the task" if same == 1 else f"all {same} tasks"
    return f"Our scores are the kernel's for {tasks}, and so is our choice."


def _exempt(facts: Facts) -> str:
    named = ", ".join(f"{who(one)} ({word(one.exempt)})" for one in facts["exempt"])
    more = f" and {facts['more_exempt']} more" if "more_exempt" in facts else ""
    tasks = plural(facts["exempt_tasks"], "task")
    return f"{tasks} could not be chosen, holding {exact(facts['exempt_rss_kb'])}: {named}{more}."


def _with_swap(facts: Facts) -> str:
    low, high = human(facts["swap_low_kb"]), human(facts["swap_high_kb"])
    return fill("The printed score fits {totalpages_low} to {totalpages_high} pages: the memory limit of {limit_pages} "
                f"pages, and {low if low == high else f'{low} to {high}'} of swap.", facts)


PHRASES = {
    Pick.ALLOCATING_TASK: "{chosen} was killed because it asked for the memory: vm.oom_kill_allocating_task is set. "
                          "No points were compared.",
    Pick.TASK_ORIGIN: "{chosen} was picked at once: it had asked to be the first to go (oom_task_origin), as swapoff "
                      "and KSM do. No points were compared.",
    Pick.PICKED: "The kernel picked {chosen}[, score {verdict.score}].",
    Pick.PERHAPS_OF_GROUP: "Whether the kernel picked {killed}, or killed it together with others of its cgroup "
                           "(memory.oom.group), cannot be told from its kill line alone.",
    Pick.CANNOT_TELL: _cannot("the table does not show enough"),
    Pick.NO_TABLE: _cannot("there is no task table"),
    Pick.OLD_TABLE: _cannot("this kernel's table shows neither swap nor page tables"),
    Pick.VERSION_UNKNOWN: _cannot("the kernel's version is not known"),
    Pick.NO_ROW: _cannot("the task table has no row of it"),
    Pick.COLUMNS_MISSING: _cannot("its row lacks columns that count"),
    Pick.LIMIT_UNKNOWN: _cannot("oom_score_adj counts in parts of all memory, whose size is not in the source"),
    Pick.POINTS: _points,
    Pick.ONLY_CANDIDATE: "[Its oom_score_adj of {chosen_adj} is counted in. ]No other task is listed that could be "
                         "chosen.",
    Pick.TIE: "{rival} has as many. Both have the most of {candidates:plural listed_candidate}.",
    Pick.MOST_POINTS: "That is the most of {candidates:plural listed_candidate}. Next is {rival} with "
                      "{rival:points}.",
    Pick.MOST_WHATEVER_LIMIT: "That is the most of {candidates:plural listed_candidate}, whatever the limit. The "
                              "points of the others depend on it.",
    Pick.MOST_FROM: "Of the listed tasks, {chosen} has the most points if all memory is {first_from_kb:size} "
                    "({first_from_pages} pages) or more[; the tasks alone hold {tasks_rss_pages} pages].",
    Pick.NOT_MOST_POINTS: "That is number {place} of {candidates:plural listed_candidate}. {rival} has "
                          "{rival:points}.",
    Pick.CONTRADICTS_TABLE: "The kernel's choice contradicts the table: {exempt:word} is exempt.",
    Pick.DISAGREES: _disagrees,
    Pick.SCORE_DOES_NOT_FOLLOW: "Our ranking agrees with the kernel's choice, but the printed score does not follow "
                                "from the numbers in the report.",
    Pick.DEPENDS_ON_TOTALPAGES: lambda facts: _depends(facts, "totalpages (the size that the kernel scores against)"),
    Pick.DEPENDS_ON_CAPABILITY: lambda facts: _depends(facts, "whether root's processes had CAP_SYS_ADMIN"),
    Pick.NOTHING_TO_COMPARE: "The table has no other task to compare it with, and the report is not complete.",
    Pick.POINTS_DIFFER: _differ,
    Pick.AGREES: _agrees,
    Counted.LIMIT_ALONE: "The kernel scored tasks against the memory limit, {limit_pages} pages, with no swap added.",
    Counted.LIMIT_ALONE_FITS: "The printed score fits the memory limit, {limit_pages} pages, with no swap added"
                              "[ or at most {more_kb:size}].",
    Counted.NO_SWAP: _no_swap,
    Counted.WITH_SWAP: "The kernel scored tasks against {totalpages} pages: the memory limit of {limit_pages} pages, "
                       "and {swap_kb:size} of swap.",
    Counted.LITTLE_MORE_FITS: "The printed score fits {totalpages_low} to {totalpages_high} pages, under 2 % more than "
                              "the memory limit of {limit_pages} pages. That may be swap, or the task has changed "
                              "between the choice and its row.",
    Counted.WITH_SWAP_FITS: _with_swap,
    Adj.SAME: "With every oom_score_adj at 0 it would have been the same task.",
    Adj.OTHER: "With every oom_score_adj at 0 it would have been {then}.",
    Adj.DECIDED: "oom_score_adj decided the pick.",
    Adj.ONE_OF: "With every oom_score_adj at 0 it would have been one of {then}.",
    Adj.DEPENDS_ON_CAPABILITY: "Which one depends on whether root's processes had CAP_SYS_ADMIN.",
    NotChosen.TASKS: _exempt,
}

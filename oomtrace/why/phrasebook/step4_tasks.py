"""Step 4: the task table."""

from __future__ import annotations

from ..causes.tasks import Tasks
from ..units import human
from .template import Facts

TITLES = {"tasks": "tasks"}

_ELSEWHERE = {"memcg": "some pages are charged elsewhere", "cpuset": "some pages are on other nodes",
              "mempolicy": "some pages are on other nodes"}


def _more(facts: Facts, what: str) -> str:
    """A page counts for each task that has mapped it, wherever it is and whichever memcg it is charged to."""
    elsewhere = _ELSEWHERE.get(facts.get("scope", ""))
    return (f"{what}: shared pages are counted once for each task"
            + (f", and {elsewhere}." if elsewhere is not None else "."))


def _more_than_all(facts: Facts) -> str:
    whole = "the cgroup's usage" if facts.get("scope") == "memcg" else "the memory that there is"
    return _more(facts, f"Together the tasks exceed {whole}")


def _anon_more_than_all(facts: Facts) -> str:
    return _more(facts, f"The tasks' anonymous pages add up to {human(facts['tasks_anon_kb'])}, more than the "
                 f"{human(facts['anon_kb'])} that there is")


PHRASES = {
    Tasks.NOT_SHOWN: "The task table is not in the source. Who holds the memory is unknown.",
    Tasks.EMPTY: "The task table is empty.",
    Tasks.LISTED: "{tasks:plural task} hold {rss_kb:exact}[, {rss_percent:percent} of it]. The largest: "
                  "{largest:list}.",
    Tasks.PAGETABLES: "Their page tables take {pgtables_kb:exact}.",
    Tasks.SWAPPED_OUT: "{swapents_kb:exact} of them is swapped out.",
    Tasks.NOT_COMPLETE: "The table is not complete.",
    Tasks.MORE_THAN_ALL: _more_than_all,
    Tasks.ANON_MORE_THAN_ALL: _anon_more_than_all,
    Tasks.ANON_OF_ALL: "The tasks' anonymous pages are {tasks_anon_kb:size} of {anon_kb:size}.",
    Tasks.SOMETHING_ELSE: "{outside_kb:size} is something else: file cache, tmpfs or kernel memory.",
    Tasks.ALL_OF_IT: "That is all of it. Shared pages are counted once for each task.",
    Tasks.IN_NO_TASK: "{outside_kb:exact} is in no listed task: file cache, tmpfs, kernel memory, or tasks that are "
                      "not listed.",
}

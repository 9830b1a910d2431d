"""Step 4: the task table."""

from __future__ import annotations

from ..causes.commands import Commands
from ..causes.tasks import Tasks
from ..causes.together import Together
from ..units import human
from .step3_memory import in_words
from .template import Facts, fill

TITLES = {"commands": "commands", "tasks": "tasks", "together": "by name"}

_ELSEWHERE = {"memcg": "some pages are charged elsewhere", "cpuset": "some pages are on other nodes",
              "mempolicy": "some pages are on other nodes"}


def _more(facts: Facts, what: str) -> str:
    """A page counts for each task that has mapped it, wherever it is and whichever memcg it is charged to."""
    elsewhere = _ELSEWHERE.get(facts.get("scope", ""))
    return (f"{what}: shared pages are counted once for each task"
            + (f", and {elsewhere}." if elsewhere is not None else "."))


def _more_than_all(facts: Facts) -> str:
    whole = "the cgroup's usage" if facts.get("scope") == "memcg" else "the memory that there is"
    if facts.get("tasks") != 1:
        return _more(facts, f"Together the tasks exceed {whole}")
    elsewhere = _ELSEWHERE.get(facts.get("scope", ""))
    return f"The task alone exceeds {whole}" + (f": {elsewhere}." if elsewhere is not None else ".")


def _anon_more_than_all(facts: Facts) -> str:
    return _more(facts, f"The tasks' anonymous pages add up to {human(facts['tasks_anon_kb'])}, more than the "
                 f"{human(facts['anon_kb'])} that there is")


def _in_no_task(facts: Facts) -> str:
    kinds = facts.get("outside")
    if kinds is None:
        least = "At least " if facts.get("tasks", 0) > 1 else ""  # what they share is counted for each
        what = ("{not_accounted_kb:size} of that is in no statistics either" if "not_accounted_kb" in facts else
                "file cache, tmpfs, kernel memory, or tasks that are not listed")
        return fill(f"{least}{{outside_kb:exact}} is in no listed task: {what}.", facts)
    named = ", ".join(f"{in_words(size.kind)} {human(size.kb)}" for size in kinds)
    more = sum(size.kb for size in kinds) * 10 > facts["outside_kb"] * 11  # some of it is in tasks
    begin = "{outside_kb:exact} belongs to no task" + (". It is a part of: " if more else ": ")
    return fill(begin + named + ".", facts)


def _commands(facts: Facts) -> str:
    return ", ".join(f"`{one.name}` ({one.holders[0].pid}) {human(one.kb)}" for one in facts["commands"]) + "."


PHRASES = {
    Commands.LISTED: _commands,
    Together.SAME_NAME_AT_MOST: "{processes} processes named {comm} hold {same_name_kb:size} together, shared pages "
                                "counted for each.",
    Together.SAME_NAME: "{processes} processes named {comm} hold {same_name_kb:size} together, "
                        "{same_name_percent:percent} of it.",
    Tasks.NO_TABLE: "There is no task table. Who holds the memory is unknown.",
    Tasks.NOT_PRINTED: "The kernel printed none: vm.oom_dump_tasks is 0.",
    Tasks.NOT_SHOWN: "The task table is not in the source. Who holds the memory is unknown.",
    Tasks.EMPTY: "The task table is empty.",
    Tasks.NO_SIZES: "{tasks:plural task_is tasks_are} listed, but the rows are cut: who holds the memory is unknown.",
    Tasks.LISTED: lambda facts: fill("{tasks:plural task} " + ("holds" if facts["tasks"] == 1 else "together hold")
                                     + " {rss_kb:exact}"
                                     + "[, {rss_percent:percent} of the {rss_of_kb:size}]"
                                     + (". The largest: {largest:list}." if facts["tasks"] > 1 else
                                        ": {largest:and}."), facts),
    Tasks.PAGETABLES: "Page tables take {pgtables_kb:exact}.",
    Tasks.SWAPPED_OUT: "Besides, {swapents_kb:exact} are in swap[: more than the {swap_used_kb:size} that are used "
                       "there, since a page that tasks share is counted once for each].",
    Tasks.NOT_COMPLETE: "The table is not complete.",
    Tasks.MORE_THAN_ALL: _more_than_all,
    Tasks.ANON_MORE_THAN_ALL: _anon_more_than_all,
    Tasks.ANON_OF_ALL: "The tasks' anonymous pages are {tasks_anon_kb:size} of {anon_kb:size}.",
    Tasks.SOMETHING_ELSE: "{outside_kb:size} is something else: file cache, tmpfs or kernel memory.",
    Tasks.ALL_OF_IT: lambda facts: "This task accounts for all of it." if facts.get("tasks") == 1 else (
        "That is all of it. Pages that tasks share are counted once for each."),
    Tasks.IN_NO_TASK: _in_no_task,
}

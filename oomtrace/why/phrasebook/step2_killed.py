"""Step 2: who was killed, or why nobody was."""

from __future__ import annotations

from .. import names
from ..causes.code_of_threads import WasIn
from ..causes.failed import Failed
from ..causes.killed import AskedBy, Killed
from .template import Facts, fill, who, word

WORDS = {AskedBy.VICTIM: "It itself", AskedBy.THREAD: "One of its threads"}
TITLES = {"killed": "killed", "failed": "failed", "was_in": "was in"}


def _victim(facts: Facts) -> str:
    """ "`python3 -m etl.load` (158), 3 min old, in container etl; it held 30 MiB (30720 kB)." if somebody has looked,
    else "python3 (158) of uid 0, which held 30 MiB (30720 kB)."."""
    if not facts.keys() & {"command", "age_ns", "container"}:
        return fill("{victim}[ of uid {uid}][, which held {held_kb:exact}][, {limit_percent:percent} of the limit].",
                    facts)
    victim = facts["victim"]
    name = f"`{facts['command']}` ({victim.pid})" if "command" in facts else who(victim)
    user = "[, of user {user}]" if "user" in facts else "[, of uid {uid}]"
    return name + fill("[, {age_ns:age} old]" + user + "[, in {container}][; it held {held_kb:exact}]"
                       "[, {limit_percent:percent} of the limit].", facts)


def _levels(levels: int) -> str:
    return "one level" if levels == 1 else f"{levels} levels"


def _the_full(facts: Facts) -> str:
    """The cgroup of the OOM; a BPF program declares one where nothing is full."""
    return "the cgroup of the OOM" if "not_full" in facts else "the full cgroup"


def _trigger_elsewhere(facts: Facts) -> str:
    levels, where = facts.get("trigger_levels_below"), names.described(facts["trigger.memcg"])
    if levels == 0:
        return f"The task that triggered the OOM is in {_the_full(facts)} itself."
    how = ("not" if levels is None else _levels(levels)) + f" below {_the_full(facts)}"
    return f"The task that triggered the OOM is in {where}, {how}."


def _trigger_in_same(facts: Facts) -> str:
    if "asked_by" not in facts:
        return "The task that triggered the OOM is in the same cgroup."
    return f"{word(facts['asked_by'])} had asked for memory."


def _below(facts: Facts) -> str:
    where, levels = names.described(facts["victim_memcg"]), facts["victim_levels_below"]
    return f"It was in {where}, {_levels(levels)} below {_the_full(facts)}."


def _group(facts: Facts) -> str:
    path = facts["oom_group"]
    where = _the_full(facts) if path == facts.get("memcg.path") else names.described(path)
    where = "the victim's cgroup" if path == facts.get("victim_memcg") != facts.get("memcg.path") else where
    number = facts["processes"]
    if number == 1:
        return f"memory.oom.group is set for {where}: all in it die together. One kill is in the source."
    return f"memory.oom.group is set for {where}, so that {number} processes were killed together."


PHRASES = {
    WasIn.WAS_IN: "As it took the signal, {thread} was in {code}.",
    WasIn.CHARGED_LAST: "Of its threads, {thread} had charged last; it was in {code}.",
    WasIn.EXITING: "Where {thread} was in its code is not known: its memory had gone already.",
    WasIn.CUT: "The outermost frames are not known: the copy of the stack ended.",
    WasIn.SHORT: "Further frames are not known: elfutils' libdw is missing here (Debian: libdw1).",
    WasIn.NOT_SEEN: "No function is known for this address: the process was gone before it could be looked at.",
    WasIn.OTHER_MOMENT: "Its functions of Python were read at another moment. It may have gone on.",
    Killed.VICTIM: _victim,
    Killed.PARENT: "It was started by {parent}.",
    Killed.MEMCG_NOT_SHOWN: "Its cgroup is not in the report.",
    Killed.IN_MEMCG: "It was in {victim_memcg:place}.",
    Killed.IN_FULL_MEMCG: lambda facts: f"It was in {_the_full(facts)} itself.",
    Killed.BELOW_FULL_MEMCG: _below,
    Killed.NOT_BELOW_FULL_MEMCG: lambda facts: fill(f"It was in {{victim_memcg:place}}, not below {_the_full(facts)}.",
                                                    facts),
    Killed.TRIGGER_IN_SAME: _trigger_in_same,
    Killed.TRIGGER_ELSEWHERE: _trigger_elsewhere,
    Killed.TRIGGER_MEMCG_UNKNOWN: "The source does not say in which cgroup the task was that triggered the OOM.",
    Killed.CHILD_OF_CHOSEN: "The kernel had chosen {chosen} and killed this child of it instead.",
    Killed.OTHER_THAN_CHOSEN: "The kernel had chosen {chosen}: a thread of the same process, or its parent. The report "
                              "does not tell which.",
    Killed.WAS_EXITING: "It was exiting already: the kernel sent no signal, but let it use the memory reserves to "
                        "finish.",
    Killed.GROUP: _group,
    Killed.GROUP_INFERRED: "memory.oom.group is set for their cgroup, so that {processes:plural process processes} "
                           "were killed together: the first one's line is there twice, and only such a kill prints it "
                           "twice.",
    Killed.SEVERAL: "{processes} processes were killed. The others: {others}.",
    Killed.SHARERS: "{sharers:plural process} that shared its memory died with it.",
    Killed.NOBODY_EXITING: "Nobody: the chosen {exiting} was already exiting.",
    Killed.NOBODY_PANIC: "Nobody: the kernel panicked: {panic}",
    Killed.NOBODY_KILLABLE: "Nobody: the kernel found no task that could be killed.",
    Killed.PASSED_OVER: "Yet the table lists {tasks_passed_over:plural task} that may be killed by oom_score_adj "
                        "({passed_over}). Each must have been passed over: killed by an OOM before and not gone yet, "
                        "given up by the oom_reaper, or within vfork.",
    Killed.REAPED: "{reaped}. Its kill is not in the source, but the oom_reaper took its memory.",
    Killed.CHOSEN: "{chosen} was chosen. That it was killed is not in the source.",
    Killed.NOT_SHOWN: "Who was killed is not in the source.",
    Failed.MAY_FAIL: "The charge failed and nobody was killed for it: {flags:and} lets it fail.",
    Failed.COSTLY_ORDER: "The charge failed and nobody was killed for it: a charge of more than 8 pages at once "
                         "(order above 3) may fail.",
    Failed.MORE: "{failure.suppressed:plural more_failure} there since the last that was reported.",
}

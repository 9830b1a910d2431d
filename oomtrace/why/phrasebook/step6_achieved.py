"""Step 6: what came of it."""

from __future__ import annotations

from ..causes.achieved import Achieved
from ..causes.frees import Frees
from ..units import human, seconds
from .template import Facts, fill, who

TITLES = {"achieved": "afterwards", "frees": "frees"}

_PLACES = {"memcg": "cgroup", "machine": "machine"}


def _killed(facts: Facts) -> str:
    more = f" and {facts['more_victims']} more" if "more_victims" in facts else ""
    return fill("{killed} processes were killed, which held {held_kb:exact}: {victims}" + more + ".", facts)


def _released(facts: Facts) -> str:
    freed = human(facts["freed_kb"]) if "freed_kb" in facts else "its memory"
    said = f"{who(facts['process'])} gave back {freed}, "
    said += "as it exited" if facts["released_by"] == "exit" else f"taken by the {facts['released_by']}"
    if "after_decision_ns" in facts:
        return f"{said}, {seconds(facts['after_decision_ns'])} after the decision."
    return said + (f", {seconds(facts['after_kill_ns'])} after the kill." if "after_kill_ns" in facts else ".")


def _next(facts: Facts) -> str:
    return f"{seconds(facts['followed_ns'])} after this OOM the same {_PLACES[facts['place']]} had the next"


PHRASES = {
    Frees.LESS_WHAT_IS_SHARED: "Of {held_kb:size}, {shared_kb:size} were shared memory, which stays while others have "
                               "it or its file is there: the kill frees {frees_kb:size} at most.",
    Frees.LITTLE: "The kill can free {frees_kb:size} of {frees_of_kb:size}, {frees_percent:percent}: it hardly helps.",
    Achieved.KILLED: _killed,
    Achieved.RELEASED: _released,
    Achieved.REAPED: "The oom_reaper took {process}'s memory[, {left_kb:size} anonymous left]"
                     "[, {after_kill_ns:seconds} after the kill].",
    Achieved.HARDLY_REAPED: "The oom_reaper could take hardly any of {process}'s memory: {left_kb:size} anonymous "
                            "are left[, {after_kill_ns:seconds} after the kill].",
    Achieved.NOT_REAPED: "The oom_reaper could not take {process}'s memory.",
    Achieved.NOT_SHOWN: "When the memory came back is not in the source.",
    Achieved.NEXT: lambda facts: _next(facts) + ".",
    Achieved.NEXT_AFTER_FILLED_AGAIN: lambda facts: _next(facts) + ": what was freed had filled again.",
    Achieved.NEXT_BEFORE_ALL_CAME_BACK: lambda facts: _next(facts) + ", before all of that had come back.",
    Achieved.TMPFS_STAYS: "Files on tmpfs stay when a process dies. Where they filled it, a kill frees little.",
}

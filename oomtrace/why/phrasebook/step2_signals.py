"""Kills by others than the OOM killer: the headline, who did it, to whom, and how short of memory all was."""

from __future__ import annotations

from ..causes.sender import Sender
from ..causes.shortness import Shortness
from ..causes.signalled import Signalled
from ..causes.throttled import Throttled
from ..ended import Ended
from ..senders import Role
from .template import Facts, fill

TITLES = {"sender": "killed by", "signalled": "killed", "throttled": "slowed down", "shortness": "memory"}

_VICTIM = "{victim}[ and {others:plural other_process other_processes}][, which held {held_kb:size}]"


def _of_kernel(why: str) -> str:
    return f"The kernel ended {_VICTIM}, with {{signal}}: {why}."


def _fault(facts: Facts) -> str:
    what = {
        "SIGSEGV": "it used memory that it has not, or may not use so",
        "SIGBUS": "memory that it has mapped could not be had",
        "SIGILL": "it had an instruction that the CPU does not know",
        "SIGFPE": "it divided by zero, or the like",
        "SIGSYS": "it made a system call that it may not make",
    }.get(facts["signal"], "it did what it must not do")
    return fill(_of_kernel(what), facts)


def _said(facts: Facts, who: str = "It") -> str:
    return f"{who} wrote into the journal: " + " ".join(f"\u201c{line}\u201d" for line in facts["said"])


PHRASES = {
    Ended.KILLED_BY: f"{{sender|Somebody}} killed {_VICTIM}, with {{signal}}.",
    Ended.ASKED_BY: f"{{sender|Somebody}} asked {_VICTIM}, to end ({{signal}}), and it did.",
    Ended.EVICTED: f"The kubelet evicted a pod: {{sender|its runtime}} ended {_VICTIM}, with {{signal}}.",
    Ended.ITSELF: "{victim}[, which held {held_kb:size},] ended itself with {signal}.",
    Ended.CGROUP_KILL: f"{{sender|Somebody}} killed all that was in a cgroup (cgroup.kill): {_VICTIM}.",
    Ended.PARENT_DEATH: _of_kernel("its parent has ended, and it had asked for that (PR_SET_PDEATHSIG)"),
    Ended.PID_NAMESPACE: _of_kernel("the first process of its container (PID namespace) has ended"),
    Ended.SECCOMP: _of_kernel("its seccomp filter forbids what it did[ (system call {syscall})]"),
    Ended.RLIMIT_CPU: _of_kernel("it has used the CPU time that it may use (RLIMIT_CPU)"),
    Ended.RLIMIT_FSIZE: _of_kernel("it wrote a file larger than it may be (RLIMIT_FSIZE)"),
    Ended.MEMORY_ERROR: _of_kernel("a page that it uses is broken (memory error of the hardware)"),
    Ended.FAULT: _fault,
    Ended.KERNEL: _of_kernel("for a reason that the signal does not tell"),
    Ended.UNKNOWN: "A process was ended. Who it was is lost.",
    Sender.PROCESS: "{sender}[ of uid {uid}].",
    Sender.COMMAND_LINE: "Its command line: {command_line}.",
    Sender.PARENT: "Its parent is {parent}.",
    Sender.PLACE: "It runs in {sender_memcg:place}.",
    Sender.SAID: _said,
    Sender.KUBELET_SAID: lambda facts: _said(facts, "The kubelet"),
    Sender.NOTED: "On the cgroup it has noted that it has killed {oomd_kills:plural process processes} there so far "
                  "(user.oomd_kill).",
    Sender.NOT_SHOWN: "Who sent the signal is lost.",
    Sender.SELF: "The kernel itself, while {sender} ran.",
    Role.SYSTEMD_OOMD: "systemd-oomd kills the processes of a cgroup where they wait too long for memory, or where "
                       "swap is nearly full.",
    Role.EARLYOOM: "earlyoom kills the process with the highest oom_score when the machine has too little memory and "
                   "swap left.",
    Role.NOHANG: "nohang kills when the machine has too little memory or swap left, or waits too long for memory.",
    Role.OOMD: "oomd kills the processes of a cgroup by rules, most of which watch memory pressure.",
    Role.KUBELET: "The kubelet stops pods: it was told to, or it evicts them as the node lacks memory.",
    Role.EVICTION: "The kubelet evicts pods where the node lacks memory, disk or process ids. It has the runtime "
                   "of their containers kill them.",
    Role.POD: "It runs the containers of a pod. The kubelet has it stop them: as the pod was deleted or evicted, or "
              "a probe failed. Which one, the kubelet's log tells, and the pod's status (kubectl describe pod).",
    Role.RUNTIME: "It runs containers: somebody has stopped this one, or what manages it has (a time limit, a failed "
                  "probe, an eviction).",
    Role.SYSTEMD: "systemd kills what is left of a unit that stops.",
    Role.OOMTRACE: "oomtrace passes on to its command the signals that it gets.",
    Signalled.VICTIM: "{victim}[ of uid {uid}][, which held {held_kb:exact}][, and {swap_kb:size} in swap].",
    Signalled.VICTIMS: "{processes} processes, which held {held_kb:exact} together. The largest: {victims:list}.",
    Signalled.PLACE: "In {victim_memcg:place}.",
    Signalled.ASKED_BEFORE: "{asked_by} had asked it to end (SIGTERM) {asked_ns:seconds} before.",
    Signalled.HAD_HANDLER: "It had a handler for {signal}, and so ended by itself.",
    Signalled.NO_OOM: "The kernel's OOM killer had no part in it.",
    Throttled.SLEPT: "{trigger} slept {slept_ns:seconds} of {span_ns:seconds}[, in {sleeps:plural sleep}], on its way "
                     "back from asking for memory.",
    Throttled.ABOVE_HIGH: "{memcg.path:place} held {usage_kb:exact}, above its memory.high of {high_kb:size}.",
    Throttled.SLOW_ON_PURPOSE: "The kernel slows down who charges above memory.high, so that somebody can make room "
                               "before memory.max is reached. Raise it, or set memory.max alone if a kill is better "
                               "than a crawl.",
    Shortness.LIMITED: "{memcg.path:place} held {usage_kb:size} of its limit of {limit_kb:size}"
                       "[ ({limit_percent:percent})].",
    Shortness.NO_LIMIT: "No memory limit applied to it[; its cgroup held {usage_kb:size}].",
    Shortness.PRESSURE: "In the ten seconds before, some task of its cgroup waited for memory {some_avg10:percent} of "
                        "the time[, all of them {full_avg10:percent}].",
    Shortness.MACHINE: "The machine had {free_kb:size} of {ram_kb:size} free, and {file_kb:size} in cached files.",
    Shortness.SWAP: "Of {swap_total_kb:size} swap, {swap_free_kb:size} were free.",
    Shortness.MACHINE_PRESSURE: "In the whole machine, some task waited for memory {machine_some_avg10:percent} of the "
                                "time (average of ten seconds).",
    Shortness.CALM: "No task of the machine had waited for memory in the ten seconds before.",
    Shortness.MEMCG_NEAR: "Its cgroup was short of memory.",
    Shortness.MACHINE_SHORT: "The machine was short of memory.",
    Shortness.NOT_SHORT: "Memory was not short: the reason is another one.",
}

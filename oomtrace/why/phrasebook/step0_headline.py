"""The headline: one sentence for somebody who does not know the kernel."""

from __future__ import annotations

from ..headline import Headline
from ..kinds import Kind
from ..units import human
from .step1_full import LIMITS
from .step3_memory import in_words
from .template import Facts, capitalised, fill, plain

# For somebody who does not know the kernel.
_PLAIN = {
    Kind.ANON: "allocated by processes (anonymous memory)",
    Kind.ANON_OR_SHMEM: "allocated by processes, or files on tmpfs",
    Kind.FILE: "cached files (page cache)",
    Kind.FILE_OR_SHMEM: "cached files, or files on tmpfs",
    Kind.SHMEM: "files on tmpfs and shared memory",
    Kind.KERNEL: "the kernel's own memory",
    Kind.SLAB: "the kernel's own objects (slab)",
    Kind.SLAB_UNRECLAIMABLE: "the kernel's own objects (slab)",
    Kind.SLAB_RECLAIMABLE: "the kernel's own caches (slab)",
    Kind.UNEVICTABLE: "locked or otherwise unevictable",
}


def _whose(facts: Facts) -> str:
    """The container's name, if somebody has looked it up; else what the path tells."""
    return "{container:Word}" if "container" in facts else "{memcg.path:Short|A cgroup}"


def _memcg(facts: Facts) -> str:
    return fill(_whose(facts) + " reached its " + LIMITS[facts["counter"]] + "[ of {limit_kb:size}]", facts)


def _where(facts: Facts) -> str:
    return "the machine" if facts["scope"] == "global" else "the NUMA nodes that the task may use"


def _unusable(facts: Facts) -> str:
    return (f"An allocation found no memory that it could use, with {human(facts['free_kb'])} of "
            f"{human(facts['managed_kb'])} free in {_where(facts)}")


def _no_usable(facts: Facts) -> str:
    has = "has" if facts["scope"] == "global" else "have"
    return (f"{capitalised(_where(facts))} {has} only zone {plain(facts['zones_listed'])}, where "
            f"{human(facts['free_kb'])} were free, and which this allocation may not use")


def _filled_by(facts: Facts) -> str:
    part, filler = facts["filler_percent"], facts["filler"]
    said = f", {'almost all' if part >= 95 else f'{part} %'} of it {_PLAIN.get(filler) or in_words(filler)}"
    if "swapcache_percent" in facts:
        said += f", {facts['swapcache_percent']} % in the swap cache"
    return said


PHRASES = {
    Headline.WAITING: "{trigger} is waiting: {memcg.path:short|its cgroup} is at its limit, and OOM killing is "
                      "disabled there.",
    Headline.WAITED: "{trigger} has stopped waiting in {memcg.path:short|its cgroup}, where OOM killing is disabled"
                     "[. It had slept for {wait_ns:seconds}].",
    Headline.THROTTLED: "{trigger} was slowed down: it slept {slept_ns:seconds} of {span_ns:seconds}, since "
                        "{memcg.path:short|its cgroup} was above memory.high. Nobody was killed.",
    Headline.CHARGE_FAILED: "{trigger} asked for memory and got an error (ENOMEM). Nobody was killed. ",
    Headline.MEMCG: _memcg,
    Headline.LIMIT_LOWERED: lambda facts: fill(
        _whose(facts) + " held more than its memory limit, lowered to {limit_kb:size}", facts),
    Headline.SYSRQ: "Somebody asked the kernel for a kill (SysRq-f)",
    Headline.MACHINE: "The machine ran out of memory[ ({managed_kb:size} RAM)]",
    Headline.NODES: "The NUMA nodes that the task may use ran out of memory[ ({managed_kb:size} RAM)]",
    Headline.FREE_BUT_UNUSABLE: _unusable,
    Headline.NO_USABLE_ZONE: _no_usable,
    Headline.UNKNOWN: "Memory ran out. Where is not in the source",
    Headline.BPF: "A BPF program declared an OOM in {memcg.path:short|a cgroup}",
    Headline.CONTEXT_LOST: "A page fault failed, and the kernel took that for lack of memory"
                           "[, though {free_kb:size} of {managed_kb:size} were free]",
    Headline.NOT_ACCOUNTED: ", {left_percent} % of it ({left_kb:size}) in none of its statistics",
    Headline.FILLED_BY: _filled_by,
    Headline.VICTIM_EXITING: "; {victim} was already exiting",
    Headline.KILLED: "; the kernel killed {victim}[ and {others:plural other_process other_processes}]"
                     "[, which held {held_kb:size}][, {shared_kb:size} of it shared]",
    Headline.PANIC: "; the kernel panicked",
    Headline.NOBODY: "; there was nobody to kill",
    Headline.CHOSEN_EXITING: "; {exiting} was already exiting",
    Headline.REAPED: "; {reaped} was killed",
    Headline.NOT_SHOWN: "; who was killed is not in the source",
}

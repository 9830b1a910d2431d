"""What to do next."""

from __future__ import annotations

from ..advice.choice import Choice
from ..advice.fillers import Fillers
from ..advice.limits import Limits
from ..advice.swapping import Swapping
from ..units import human
from .template import Facts


def _tmpfs(facts: Facts) -> str:
    where = "count against this cgroup" if facts.get("scope") == "memcg" else "take RAM"
    return (f"{human(facts['shmem_kb'])} are tmpfs files or shared memory, which {where} until they are deleted. Look "
            "into /dev/shm, the tmpfs mounts and System V segments (ipcs -m).")


PHRASES = {
    Limits.RAISE_FOR_ONE: "Raise the limit of {memcg.path:short} above {need_kb:size}, or make {task} use less.",
    Limits.RAISE_FOR_ALL: "Raise the limit of {memcg.path:short} above {need_kb:size}, or make its {tasks:plural task} "
                          "use less.",
    Limits.CONFINE: "{task} alone holds {held_kb:size} of {total_kb:size}. A limit of its own would confine the next "
                    "OOM to it.",
    Limits.FULL_MEMCG_ELSEWHERE: "gfp_mask is 0: look for a cgroup that was at its limit at that time "
                                 "(memory.failcnt, memory.events). Kernels with commit 60e2793d440a no longer kill for "
                                 "that.",
    Fillers.TMPFS: _tmpfs,
    Fillers.SLAB_CACHE: "Kernel slabs hold {slab_kb:size}. The largest cache is {cache} with {cache_kb:size}: find "
                        "what allocates from it.",
    Fillers.SLAB: "{kernel_kb:size} are slabs: /proc/slabinfo or slabtop tells which.",
    Fillers.KERNEL: "{kernel_kb:size} are kernel memory on behalf of its tasks (pipes, sockets, directory entries, "
                    "page tables): /proc/slabinfo or slabtop tells which.",
    Fillers.PAGETABLES: "The page tables of {task} take {pgtables_kb:size}: it has mapped far more than is resident.",
    Fillers.SOCKETS: "{sock_kb:size} wait in socket buffers: see who does not read (ss -m).",
    Fillers.HUGE_PAGES: "{free_hugepages_kb:size} are reserved as huge pages and unused: lower vm.nr_hugepages.",
    Choice.ADJ: "oom_score_adj chose the victim. Without it, {then} would have been killed: check whether that is "
                "meant.",
    Choice.EXEMPT: "{task} holds {held_kb:size} and cannot be chosen ({exempt:word}).",
    Swapping.NOT_ALLOWED: "This cgroup may not swap. If it may be slower, set memory.swap.max above 0.",
    Swapping.NONE: "There is no swap. With some (swapon, or zram), part of {anon_kb:size} of anonymous and tmpfs pages "
                   "could have left RAM.",
}

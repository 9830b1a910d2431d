"""What to do next."""

from __future__ import annotations

from ..advice.choice import Choice
from ..advice.fillers import Fillers
from ..advice.limits import Limits
from ..advice.remedies import Remedies
from ..advice.swapping import Swapping
from ..units import human
from .template import Facts, fill


def _raise(facts: Facts) -> str:
    whose = "{container}" if "container" in facts else "{memcg.path:short}"
    return ("Raise the limit of " + whose + " above {need_kb:size}[, of which {swap_kb:size} are only in swap]"
            "[, and that of memory+swap above {memsw.limit_kb:size}], or ")


def _tmpfs(facts: Facts) -> str:
    where = "count against this cgroup" if facts.get("scope") == "memcg" else "take RAM"
    return (f"{human(facts['shmem_kb'])} are tmpfs files or shared memory, which {where} until they are deleted. Look "
            "into /dev/shm, the tmpfs mounts and System V segments (ipcs -m).")


PHRASES = {
    Remedies.NEEDLESS_KILL: "Kernels with commit 60e2793d440a (5.16, and stable ones since) no longer kill when a "
                            "dying task's page fault fails: update the kernel.",
    Remedies.KILLED_WHILE_FREE: "Look at the OOM that killed {before|the process before}: what used up the memory "
                                "then is the cause of both kills.",
    Remedies.LIMIT_LOWERED: "Lower memory.max only after memory.current has fallen below it (write to memory.reclaim, "
                            "or stop something first)[; {usage_kb:size} were in use].",
    Remedies.BPF_POLICY: "Look at the BPF program that decides (bpftool prog, bpftool struct_ops): its policy, not "
                         "a limit, is to be changed.",
    Remedies.CPUSET: "Add nodes to cpuset.mems[ of cpuset {cpuset}][, which allows only node {nodes}], or move tasks "
                     "to another cpuset.",
    Remedies.MEMPOLICY: "Let it use NUMA nodes other than {nodes|these}, too, or only prefer these (numactl "
                        "--preferred): a strict binding fails when they are full.",
    Remedies.DIRTY: "{busy_kb:size} waited to be written. Lower vm.dirty_bytes and vm.dirty_background_bytes, so that "
                    "writing begins earlier, and see whether the disk keeps up (iostat).",
    Remedies.DIRTY_MEMCG: "{busy_kb:size} waited to be written. Set memory.high somewhat below the limit, so that "
                          "writers are slowed instead of killed, lower vm.dirty_bytes, or raise the limit of "
                          "{memcg.path:short|the cgroup}.",
    Remedies.RAMFS: "{ramfs_kb:size} of {total_kb:size} are files in RAM (ramfs, or the unpacked initramfs). Make the "
                    "initramfs smaller, or give this kernel more memory (crashkernel= for kdump).",
    Remedies.UNEVICTABLE: "{unevictable_kb:size} are locked: VmLck in /proc/PID/status tells by whom. Limit it with "
                          "ulimit -l (LimitMEMLOCK= of a service).",
    Remedies.NO_COUNTER: "{left_kb:size} are in none of the report's counters: look at VmallocUsed and Percpu in "
                         "/proc/meminfo, /proc/vmallocinfo, the balloon of a virtual machine, and what drivers "
                         "hold (/sys/kernel/debug/dma_buf/bufinfo).",
    Remedies.SAME_NAME: "Run fewer processes named {comm}: {processes} hold {same_name_kb:size}[ {counted}], "
                        "{each_kb:size} each.",
    Remedies.NOBODY: "Choose a process that may be killed, and set its oom_score_adj higher than -1000 "
                     "(OOMScoreAdjust= of a service).",
    Remedies.PROTECTED: "memory.min keeps {min_protection_kb:size} from being reclaimed: lower it, or raise the limit "
                        "above it.",
    Remedies.ALLOW_KILLS: "Raise memory.limit_in_bytes of {memcg.path:short|the cgroup}, or write 0 to its "
                          "memory.oom_control, so that the kernel kills.",
    Fillers.SHARED_BUFFERS: "{shmem_kb:size} are shared memory of {comm}, counted in full for each of its processes. "
                            "Lower the size of its shared buffers, or what each process holds beside them.",
    Fillers.SLAB_DEBUG: "Kernel slabs hold {slab_kb:size}. The largest cache, {cache}, belongs to a debug facility and "
                        "only records what else is allocated. The next, {next_cache} with {next_kb:size}, is the "
                        "clue: find what allocates from it.",
    Limits.RAISE_FOR_ONE: lambda facts: fill(_raise(facts) + "make {task} use less.", facts),
    Limits.RAISE_FOR_ALL: lambda facts: fill(_raise(facts) + "make its {tasks:plural task} use less.", facts),
    Limits.CONFINE: "{task} alone holds {held_kb:size} of {total_kb:size}[, {shared_kb:size} of it shared]. Make it "
                    "use less, or give it a limit of its own (MemoryMax= of its service, or systemd-run -p "
                    "MemoryMax=): then the next OOM harms nobody else.",
    Limits.TOO_MUCH_AT_ONCE: "{tasks:plural task} hold {anon_kb:size} of {total_kb:size} together, none of them a "
                             "quarter: run fewer at once, or give the machine more memory.",
    Limits.FULL_MEMCG_ELSEWHERE: "gfp_mask is 0: look for a cgroup that was at its limit at that time "
                                 "(memory.failcnt, memory.events). Kernels with commit 60e2793d440a no longer kill for "
                                 "that.",
    Fillers.TMPFS: _tmpfs,
    Fillers.SLAB_CACHE: "Kernel slabs hold {slab_kb:size}. The largest cache is {cache} with {cache_kb:size}: find "
                        "what allocates from it.",
    Fillers.SLAB: "{kernel_kb:size} are kernel slabs: slabtop (or /proc/slabinfo) tells which, and so who allocates.",
    Fillers.KERNEL: "{kernel_kb:size} are kernel memory on behalf of its tasks. memory.stat of the cgroup tells which "
                    "kind, slabtop which slabs; pipes, sockets and open files are in /proc/PID/fd.",
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

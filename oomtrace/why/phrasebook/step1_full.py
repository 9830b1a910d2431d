"""Step 1: what was full, and who asked for memory."""

from __future__ import annotations

from ..callsite import Site
from ..causes.charging import Charging
from ..causes.code_of_threads import AskedIn
from ..causes.earlier import Earlier
from ..causes.full import Full
from ..units import exact, human, plural
from .template import Facts, fill, word
from .template import who as named

TITLES = {"full": "full", "charging": "asked by", "earlier": "earlier", "asked_in": "asked in"}
# Where nothing needs to have been full.
TITLES_BY_REASON = {
    **dict.fromkeys((Full.MACHINE, Full.CPUSET, Full.MEMPOLICY), "no memory"),
    **dict.fromkeys((Full.CONTEXT_LOST, Full.CONTEXT_LOST_WHILE_FREE), "page fault"),
    Full.DECLARED_BY_BPF: "declared", Full.SYSRQ: "SysRq",
}

LIMITS = {"memory": "memory limit", "memsw": "memory+swap limit", "kmem": "kernel memory limit"}

_A_CGROUP = "A cgroup whose path is not in the report"


def _size(facts: Facts) -> str:
    """ " (1.0 GiB (1048576 kB) RAM, no swap)"."""
    total, swap = facts.get("managed_kb"), facts.get("total_swap_kb")
    if total is None:
        return ""
    return f" ({exact(total)} RAM{'' if swap is None else ', no swap' if swap == 0 else f', {human(swap)} swap'})"


def _nodes(facts: Facts, by: str) -> str:
    nodes = facts.get("nodes")
    what = f"NUMA node {nodes}{_size(facts)}, all that the task's {by} allows," if nodes else (
        f"What the task's {by} allows{_size(facts)}")
    return f"{what} had no memory that this allocation could use. No cgroup's limit was hit."


def _machine(facts: Facts) -> str:
    return (f"The machine as a whole{_size(facts)} had no memory that this allocation could use. No cgroup's limit was "
            "hit.")


def _at_limit(facts: Facts) -> str:
    named = "{memcg.path:path} ({container})" if "container" in facts else "{memcg.path:place|" + _A_CGROUP + "}"
    said = named + " was at its " + LIMITS[facts["counter"]] + " of {limit_kb:exact}"
    said += "[, with {usage_kb:exact} in use]"
    if facts.get("failcnt"):
        said += ". Requests had met this limit {failcnt:plural time} (failcnt)"
    return fill(said + ".", facts)


# gfp names for people (include/linux/gfp_types.h). A charge to a memcg is made with the mask of how to reclaim for it:
# GFP_KERNEL does not tell that the page is the kernel's.
_FLAGS = {
    "GFP_KERNEL": "all reclaim allowed",
    "GFP_KERNEL_ACCOUNT": "charged to the cgroup, all reclaim allowed",
    "GFP_USER": "for user space",
    "GFP_HIGHUSER": "for user space",
    "GFP_HIGHUSER_MOVABLE": "for user space, movable",
    "GFP_TRANSHUGE": "a huge page for user space",
    "GFP_TRANSHUGE_LIGHT": "a huge page for user space, without reclaim",
    "GFP_NOFS": "may not enter file systems to reclaim",
    "GFP_NOIO": "may not start I/O to reclaim",
    "GFP_ATOMIC": "may not wait",
    "GFP_NOWAIT": "may not wait",
    "GFP_TEMPORARY": "for a short time",
    "GFP_DMA": "from zone DMA",
    "GFP_DMA32": "from the lowest 4 GiB",
    "__GFP_ZERO": "zeroed",
    "__GFP_ACCOUNT": "charged to the cgroup",
    "__GFP_COMP": "as one unit (compound)",
    "__GFP_NOFAIL": "must not fail",
    "__GFP_NORETRY": "may fail early",
    "__GFP_RETRY_MAYFAIL": "may fail after some tries",
    "__GFP_REPEAT": "tries again",
    "__GFP_THISNODE": "from one node only",
    "__GFP_HARDWALL": "from the cpuset's nodes only",
    "__GFP_WRITE": "for the page cache, to be written",
    "__GFP_COLD": "for the page cache",
    "__GFP_RECLAIMABLE": "reclaimable",
}


def _asked(facts: Facts) -> str:
    """ "hog (12) asked for 4 kB (1 page) in a page fault on anonymous memory."."""
    said = named(facts["trigger"])
    order, site, call = facts.get("order"), facts.get("site"), facts.get("system_call")
    if site is Site.SYSRQ:
        return f"{said} ran SysRq-f."
    if site is Site.LIMIT_LOWERED:
        return f"{said} wrote to memory.max, which lowered the limit."
    if order is None:
        what = "memory"
    elif facts.get("asked_kb") is None:
        what = "a page" if not order else f"{1 << order} contiguous pages (order {order})"
    else:
        what = human(facts["asked_kb"]) + (f" at once ({plural(1 << order, 'page')}, order {order})" if order else "")
    where = "" if site is None else f" in system call {call}" if site is Site.SYSTEM_CALL else f" for {word(site)}"
    if site in (Site.KERNEL_THREAD, Site.BALANCE):
        where = f", as {word(site)}"
    if site is not None and site is not Site.SYSTEM_CALL and call is not None:
        where += f" in system call {call}"
    return f"{said} asked for {what}{where}."


def _flags(facts: Facts) -> str:
    mask, flags = facts.get("gfp_mask"), facts.get("gfp_flags")
    if mask == 0:
        return "Its gfp_mask, which says how memory may be found, is 0."
    if not flags:
        return f"Its gfp_mask, which says how memory may be found, is {mask:#x}."
    meanings: list[str] = [_FLAGS[name] for name in flags.split("|") if name in _FLAGS]
    return f"The request: {', '.join(meanings)} ({flags})." if meanings else f"The request: {flags}."


PHRASES = {
    AskedIn.WAS_IN: "{thread} asked in {code}.",
    AskedIn.KERNEL_THREAD: "{thread} is a thread of the kernel: no program's code asked.",
    AskedIn.CUT: "The outermost frames are not known: the copy of the stack ended.",
    AskedIn.SHORT: "Further frames are not known: elfutils' libdw is missing here (Debian: libdw1).",
    AskedIn.NOT_SEEN: "No function is known for this address: the process was gone before it could be looked at.",
    AskedIn.OTHER_MOMENT: "Its functions of Python were read at another moment. It may have gone on.",
    Full.NOT_SHOWN: "What was full is not in the source: there are neither a cgroup's lines nor Mem-Info.",
    Full.SYSRQ: "Somebody asked the kernel for a kill with SysRq-f. Nothing needs to have been full.",
    Full.AT_LIMIT: _at_limit,
    Full.NO_ROOM: "{memcg.path:place|" + _A_CGROUP + "} had no room for more memory. When the report was printed, it "
                  "used {usage_kb:exact}[ of {limit_kb:exact}, {below_kb:size} below its limit].",
    Full.NO_LIMIT: "{memcg.path:place|" + _A_CGROUP + "} had no room for more memory. When the report was printed, it "
                   "used {usage_kb:exact} and had no memory limit.",
    Full.USAGE_NOT_SHOWN: "{memcg.path:place|" + _A_CGROUP + "} was full. How much it used is not in the report.",
    Full.MACHINE: _machine,
    Full.PART_OF_MACHINE: "The part of the machine's memory that this allocation could use was full. No cgroup's limit "
                          "was hit.",
    Full.CPUSET: lambda facts: _nodes(facts, "cpuset"),
    Full.MEMPOLICY: lambda facts: _nodes(facts, "memory policy"),
    Full.LIMIT_LOWERED: "The limit is being lowered below what is in use. Nothing had to grow.",
    Full.LIMIT_HAD_BEEN_LOWERED: "Far more is in use than the limit allows: the limit had just been lowered.",
    Full.FREED_SINCE: "The kernel reads the usage after its decision. What freed memory in between is not in the "
                      "report.",
    Full.LIMIT_OF_POD: "It is the pod's limit, not the container's.",
    Full.FULL_ABOVE: "Above it, these are at their limits too: {full_above}.",
    Full.CONTEXT_LOST: "A page fault had failed, and the report does not tell what it could not get: memory of the "
                       "machine[ ({managed_kb:exact} RAM)], or room below a cgroup's limit: "
                       "on these kernels, a full cgroup can lead to this report, too.",
    Full.CONTEXT_LOST_WHILE_FREE: "A page fault had failed, and the report does not tell what it could not get. The "
                                  "machine itself had {free_kb:size} of {managed_kb:size} free. More likely a cgroup "
                                  "was at its limit: on these kernels, a full cgroup can lead to this report, too.",
    Full.DECLARED_BY_BPF: "A BPF program declared the OOM in {memcg.path:place|a cgroup}, by a policy of its own such "
                          "as memory pressure. No limit was hit[; {usage_kb:exact} was in use].",
    Full.CONTRADICTORY: "The log contradicts itself: it says {ram_pages} pages RAM, but its zones, which are complete, "
                        "have {zones_kb:exact}. The zones are taken for right.",
    Full.OTHER_LIMIT_TOO: "memory+swap was almost at its limit too: {memsw.usage_kb:size} of {memsw.limit_kb:size}, "
                          "refused {memsw.failcnt:plural time}.",
    Earlier.ASKER_WAS_KILLED: "{asker}, which asked for the memory, had itself been killed by an OOM before"
                              "[, {since_ns:seconds} earlier]. A dying task is refused memory, so this kill was "
                              "probably needless.",
    Earlier.VICTIM_REAPED: "The oom_reaper was taking the memory of {reaped}, which an earlier OOM had killed.",
    Earlier.KILLED_JUST_BEFORE: "{killed_before} had been killed {since_ns:seconds} earlier.",
    Earlier.MEMORY_HAD_COME_BACK: "When this was printed, {free_kb:size} of {total_kb:size} were free again: this "
                                  "kill was probably one too many.",
    Earlier.RATE_LIMITED: "Ten whole reports came within 5 seconds before it: the kernel's rate limit left out the "
                          "rest of this report. Nothing was cut off.",
    Earlier.SAME_SIZE_AS_BEFORE: "A process of the same name and size had just been killed in {memcg.path:place}: this "
                                 "is probably the same place.",
    Charging.NOT_SHOWN: "Who asked for the memory is not in the report: it has no \"invoked oom-killer\" line.",
    Charging.DECLARED: "{trigger} ran the BPF program. It had asked for no memory.",
    Charging.ASKED: _asked,
    Charging.FLAGS: _flags,
    Charging.NO_TRACE: "What it was doing is unknown: the report has no call trace.",
    Charging.TRACE_DOES_NOT_TELL: "What it was doing is unknown: no function of the call trace tells.",
    Charging.FAULT_OF_UNKNOWN_KIND: "Which kind of memory the page fault was on is unknown.",
    Charging.CHARGED_MOST: "It also took most: {charged:grown}[ in the last {window_ns:seconds}].",
    Charging.OTHER_CHARGED_MOST: "It was only the last to ask: {charged} took most, {charged:grown}"
                                 "[ in the last {window_ns:seconds}].",
    Charging.OTHER_HOLDS_MOST_FROM_BEFORE: "Yet {holder} holds most, from before: {holder:grown}.",
    Charging.OTHER_HOLDS_MOST: "It was only the last to ask: it holds {own_kb:size}, {holder} holds {holder:grown}.",
}

WORDS = {
    Site.LIMIT_LOWERED: "a write to memory.max",
    Site.SYSRQ: "SysRq-f",
    Site.HUGE_ANON_FAULT: "a huge page fault on anonymous memory",
    Site.COPY_ON_WRITE: "a copy-on-write fault",
    Site.SWAP_IN: "a page that comes back from swap",
    Site.ANON_FAULT: "a page fault on anonymous memory",
    Site.ANON_FAULT_OF_SOME_KIND: "a page fault on anonymous memory (a new page, a copy on write, or from swap)",
    Site.HUGETLB_FAULT: "a hugetlb page fault",
    Site.SHMEM_FAULT: "a page fault on tmpfs or shared memory",
    Site.SHMEM_WRITE: "a write to tmpfs",
    Site.SHMEM_FALLOCATE: "fallocate on tmpfs",
    Site.FILE_FAULT: "a page fault that reads a file",
    Site.FILE_WRITE: "a write to a file's page cache",
    Site.FILE_READ: "a read into the page cache",
    Site.PIPE: "a pipe",
    Site.SOCKET: "a socket",
    Site.FORK: "fork",
    Site.EXEC: "exec",
    Site.EPOLL: "epoll or inotify",
    Site.MESSAGE_QUEUE: "a message queue",
    Site.BPF: "a BPF map or program",
    Site.IO_URING: "io_uring",
    Site.BALANCE: "a kernel thread that balances memory",
    Site.SHMEM_ALLOCATION: "a file on tmpfs",
    Site.PAGETABLES: "page tables",
    Site.USER_PAGES: "pages that a driver or a system call maps in (get_user_pages)",
    Site.DENTRY_OR_INODE: "a directory entry or inode",
    Site.OPEN_FILE: "an open file",
    Site.MEMORY_MAP: "a memory map",
    Site.VMALLOC: "kernel memory (vmalloc)",
    Site.PERCPU: "per-CPU memory",
    Site.METADATA: "a file system's metadata",
    Site.SLAB: "a kernel object (slab)",
    Site.FAULT: "a page fault",
    Site.KERNEL_THREAD: "a kernel thread",
    Site.SYSTEM_CALL: "a system call",
}

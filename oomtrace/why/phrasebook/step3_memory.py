"""Step 3: what filled it, and why the kernel could not get memory back."""

from __future__ import annotations

from typing import Optional

from ..account import Kind
from ..causes.code import ByCode
from ..causes.filled import Filled, KernelPart
from ..causes.history import History
from ..causes.reclaim import Reclaim
from ..causes.swap import Swap
from ..causes.thrashing import Thrashing
from ..finding import Size
from ..units import exact, human, plural, seconds
from .template import Facts, capitalised, word

TITLES = {"filled": "filled by", "reclaim": "reclaim", "swap": "swap", "thrashing": "before", "code": "by code",
          "history": "usage"}

WORDS = {
    Kind.ANON: "anonymous",
    Kind.ANON_BEHIND: "anonymous, not counted yet",
    Kind.ANON_OR_SHMEM: "anonymous, tmpfs and shared",
    Kind.FILE: "file cache",
    Kind.FILE_OR_SHMEM: "file cache and tmpfs",
    Kind.SHMEM: "tmpfs and shared memory",
    Kind.SWAPCACHE: "swap cache",
    Kind.KERNEL: "kernel",
    Kind.SOCK: "socket buffers",
    Kind.SLAB: "slab",
    Kind.RAMFS: "files of ramfs",
    Kind.SLAB_RECLAIMABLE: "slab, reclaimable",
    Kind.SLAB_UNRECLAIMABLE: "slab, unreclaimable",
    Kind.UNEVICTABLE: "unevictable",
    Kind.PAGETABLES: "page tables",
    Kind.KERNEL_STACKS: "kernel stacks",
    Kind.HUGETLB: "huge page pools",
    Kind.FREE: "free",
    Kind.OTHERS: "others",
    Kind.NOT_ACCOUNTED: "not accounted for",
    KernelPart.SLAB: "slab",
    KernelPart.PAGETABLES: "page tables",
    KernelPart.STACKS: "stacks",
    KernelPart.VMALLOC: "vmalloc",
    KernelPart.PERCPU: "per-CPU memory",
    KernelPart.NO_COUNTER: "without a counter of its own, as pipe buffers are",
}

# Within a sentence.
_MEMORY = {
    Kind.ANON: "anonymous memory",
    Kind.ANON_OR_SHMEM: "anonymous memory, tmpfs and shared memory",
    Kind.KERNEL: "kernel memory",
    Kind.SLAB: "kernel slabs",
    Kind.RAMFS: "files of ramfs",
    Kind.SLAB_RECLAIMABLE: "reclaimable slab",
    Kind.SLAB_UNRECLAIMABLE: "unreclaimable slab",
    Kind.UNEVICTABLE: "unevictable memory",
}
_MEANS = {
    Kind.ANON: "heaps, stacks, private mappings",
    Kind.ANON_OR_SHMEM: "what processes have written, and files on tmpfs",
    Kind.FILE_OR_SHMEM: "pages of files, on disk or on tmpfs",
    Kind.SHMEM: "which no process needs to have mapped",
    Kind.KERNEL: "used by the kernel for these processes",
    Kind.SOCK: "data in socket buffers",
    Kind.SLAB_UNRECLAIMABLE: "kernel objects",
    Kind.SLAB_RECLAIMABLE: "kernel caches such as directory entries and inodes",
    Kind.SLAB: "kernel objects and caches",
    Kind.SWAPCACHE: "anonymous pages that no process has mapped any more",
    Kind.RAMFS: "such as an unpacked initramfs: nothing can reclaim them",
    Kind.UNEVICTABLE: "locked, or otherwise never reclaimed",
    Kind.HUGETLB: "set aside, whether used or not",
}


def in_words(kind: Kind) -> str:
    """A kind of memory within a sentence."""
    return _MEMORY.get(kind) or WORDS[kind]


def _sizes(sizes: tuple[Size, ...]) -> str:
    return ", ".join(
        f"{word(size.kind)} {exact(size.kb)}" + ("" if size.percent is None else f" {size.percent:.1f} %")
        for size in sizes
    )


def _kernel_parts(sizes: tuple[Size, ...]) -> str:
    return ", ".join(f"{human(size.kb)} {word(size.kind)}" if size.kind is KernelPart.NO_COUNTER
                     else f"{word(size.kind)} {human(size.kb)}" for size in sizes)


def _by(facts: Facts) -> str:
    kind, parts = facts["filler"], facts.get("kernel_parts")
    what: Optional[str] = _kernel_parts(parts) if parts else _MEANS.get(kind)
    swapped = " The swap cache is mostly such memory, on its way to swap or back." if "swapcache_kb" in facts else ""
    begin = "Most of the memory in all zones was" if "of_all_zones" in facts else "Filled by"
    return f"{begin} {in_words(kind)}" + (f" ({what})." if what else ".") + swapped


def _mostly_free(facts: Facts) -> str:
    kind = facts.get("largest")
    return "Most of it was free" + (f". Of what was used, most was {in_words(kind)}." if kind is not None else ".")


def _effort(facts: Facts) -> str:
    attempts, scanned, got = (facts.get(f"reclaim.{name}")
                              for name in ("attempts", "scanned_pages", "reclaimed_pages"))
    said = [plural(attempts, "attempt")] if attempts is not None else []
    if scanned is not None and got is not None:
        said.append(f"{got} of {scanned} scanned pages reclaimed")
    if "reclaim.time_ns" in facts:
        said.append(f"in {seconds(facts['reclaim.time_ns'])}")
    return "The kernel tried: " + ", ".join(said) + "."


PHRASES = {
    ByCode.CHARGED_BY: "{percent:percent} of what {process} charged[ in the last {window_ns:age}] came by {code}.",
    ByCode.NO_STACKS: "Stacks of who charged could not be read.",
    ByCode.CHARGED_AND_RESIDENT: "In all {process} charged {charged_kb:size}, and held {resident_kb:size} at the OOM.",
    ByCode.CHARGED_IS_NOT_KEPT: "Charged is not kept: memory that was given back is in these shares, too. They are "
                                "estimates from samples.",
    ByCode.LOST: "{samples_lost:plural sample_was samples_were} lost.",
    ByCode.SHORT: "Stacks may be short: elfutils' libdw is missing here (Debian: libdw1).",
    Filled.NO_STATISTICS: "What filled it is not in the source: there are no memory statistics.",
    Filled.NO_MEMINFO: "What filled it is not in the source: there is no Mem-Info.",
    Filled.NOTHING: "All its counters are 0.",
    Filled.PARTS: lambda facts: capitalised(_sizes(facts["parts"])) + ".",
    Filled.STATISTICS_EXCEED: "The statistics sum to {exceed_kb:exact} more than the total: they are read one after "
                              "the other, and lag.",
    Filled.STATISTICS_BEHIND: "The tasks hold {tasks_anon_kb:size} of anonymous memory. The statistics count "
                              "{anon_kb:size} of it: on this kernel they can be two seconds old.",
    Filled.SHARE_UNKNOWN: "The source does not tell what part of the whole that is.",
    Filled.MOSTLY_FREE: _mostly_free,
    Filled.NOT_SUMMED_UP: "What most of it is cannot be told: the kernel sums its statistics up when it prints them, "
                          "and for this OOM it did not.",
    Filled.NOT_COUNTED: "Most of it is in no statistics. What it is cannot be told.",
    Filled.KERNEL_NOT_COUNTED: "Most of it is in no statistics. On this kernel that is usually kernel memory without a "
                               "counter of its own, such as pipe buffers.",
    Filled.NO_HALF: lambda facts: "No kind of memory makes up half of it. The largest is "
                                  f"{in_words(facts['largest'])}.",
    Filled.COUNTERS_MISSING: "What most of it is cannot be told: other counters are not in the source.",
    Filled.BY: _by,
    History.STEADY_THEN_ROSE: "Steady for {steady_ns:age} at {level_kb:size}, then +{rise_kb:size} in {rise_ns:age}.",
    History.STRAIGHT_LINE_OF_MINUTES: "A straight line of {each_kb:size} a minute for {span_ns:age}.",
    History.STRAIGHT_LINE_OF_SECONDS: "A straight line of {each_kb:size} a second for {span_ns:age}.",
    History.AT_LIMIT: "It had been as full as this for {span_ns:age}.",
    History.MOVED: "Between {least_kb:size} and {most_kb:size} in the last {span_ns:age}.",
    History.WAITED: "While it was near its limit, some of its tasks waited for memory {some_percent:percent} of 10 s"
                    "[, all of them {full_percent:percent}] (PSI).",
    History.A_LEAK: "This is how a leak looks: memory is taken all the time, and never given back.",
    Reclaim.NOT_SHOWN: "What could have been reclaimed is not in the source.",
    Reclaim.CONTIGUOUS: "{pages} contiguous pages were asked for (order {order}).",
    Reclaim.CHARGED_AT_ONCE: "{asked_kb:size} were to be charged at once[, and {room_kb:size} were left below the "
                             "limit]. Fragmentation plays no part in a limit.",
    Reclaim.FILE_PAGES: lambda facts: (f"File pages that reclaim could look at: {exact(facts['file_kb'])}"
                                       + (", in all zones." if "of_all_zones" in facts else ".")),
    Reclaim.NO_FILE_CACHE: lambda facts: ("Hardly any" if facts["file_kb"] else "No") + " file cache was left to drop.",
    Reclaim.LITTLE_FILE_CACHE: "Hardly any file cache was left to drop.",
    Reclaim.DIRTY: "{busy_kb:size} of them waited to be written and could not be dropped at once.",
    Reclaim.FILE_CACHE_LEFT: "File pages were left ({file_percent:percent}). Why they were not reclaimed in time the "
                             "source does not tell.",
    Reclaim.UNEVICTABLE: "{unevictable_kb:exact} is locked or otherwise unevictable: it cannot be reclaimed.",
    Reclaim.KERNEL_MEMORY: "{kernel_kb:exact} is kernel memory, which goes only when its owners free it[, but for "
                           "{slab_reclaimable_kb:exact} of reclaimable slab].",
    Reclaim.SLAB: "{slab_unreclaimable_kb:exact} is unreclaimable slab, which goes only when the kernel's own users "
                  "free it.",
    Reclaim.PROTECTED_MIN: "memory.min protects {min_protection_kb:exact} below it, which is not reclaimed.",
    Reclaim.PROTECTED_LOW: "memory.low protects {low_protection_kb:exact} below it.",
    Reclaim.EFFORT: _effort,
    Thrashing.READ_BACK: "Since it was made, the cgroup read back {refault_kb:size} that reclaim had dropped or "
                         "swapped out, {times} times what it may hold (workingset_refault).",
    Thrashing.RECLAIM_IN_VAIN: "Of {pgscan} pages that reclaim looked at, it could take {stolen_percent:percent}.",
    Thrashing.THRASHED: "It had been short of memory for long before this: it was slow as well.",
    Swap.UNUSED: "Swap was there and almost unused: {free_swap_kb:size} of {total_swap_kb:size} free. Look at "
                 "vm.swappiness, memory.swap.max and mlock.",
    Swap.NEEDS_SWAP: "Anonymous and tmpfs pages, {anon_kb:exact}, can only go to swap.",
    Swap.NOT_ALLOWED: "Swapping was not allowed: memory.swap.max is 0.",
    Swap.AT_LIMIT: "Swap was at its limit: {swap.usage_kb:exact} of {swap.limit_kb:exact} (memory.swap.max).",
    Swap.MAKES_NO_ROOM: "Swapping makes no room: the memory+swap limit is no more than the memory limit.",
    Swap.MEMSW_AT_LIMIT: "Swapping makes no room: memory+swap was at {memsw.usage_kb:exact} of its limit of "
                         "{memsw.limit_kb:exact}.",
    Swap.USED: "Swap used: {swap_kb:exact}[ by the cgroup's counter, {tasks_swap_kb:size} by its tasks]"
               "[, {swapcache_kb:size} of it for pages that are in RAM too (swap cache)].",
    Swap.NOT_COUNTED: "The kernel counted no swap for it: none is on, or swappiness is 0.",
    Swap.COULD_HAVE_BEEN_USED: "Swap could have been used. The source does not tell why it was not.",
    Swap.NO_MORE_WENT: "The source does not tell why no more went to swap (it was full, or slow).",
    Swap.NOT_SHOWN: "The source does not tell whether there is any swap.",
    Swap.NONE: "There is no swap: anonymous and tmpfs pages could not be reclaimed.",
    Swap.NOT_NEEDED: "There is no swap. It would not have helped: next to nothing could have gone there.",
    Swap.FREE: "Free: {free_swap_kb:exact} of {total_swap_kb:exact}.",
    Swap.FULL: "Swap was full.",
    Swap.NOT_FULL: "Swap was not full. The source does not tell why no more went there.",
}

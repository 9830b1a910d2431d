"""What kernels of some versions do and others do not, and no type or symbol of theirs tells."""

from __future__ import annotations

from .releases import Version


def percpu_rss(at: Version) -> bool:
    """6.2, f1a7941243c1 "mm: convert mm's rss stats into percpu_counter": each CPU holds a part of a task's sizes."""
    return at >= (6, 2)


def summed_rss(at: Version) -> bool:
    """Does the OOM killer add up those parts, so that sizes are exact?

    7.0, 5898aa8f9a0b "mm: fix OOM killer inaccuracy on large many-core systems". Debian's 6.12.117 has it not.
    """
    return at >= (7, 0)


def lagging_rss(at: Version) -> bool:
    """Are the sizes in the table too small or too large by what CPUs have not handed in?"""
    return percpu_rss(at) and not summed_rss(at)


def memcg_stats_behind(at: Version) -> bool:
    """Can the statistics of a memcg be 2 s old, also those that a report prints, while memcgs below it are charged?

    6.16, "memcg: optimize memcg_rstat_updated": a memcg that is due to be summed up ends the count of changes for those
    above, too. If it becomes due first, those above never do, until all are summed up every 2 s (FLUSH_TIME). Seen on
    7.3: a third of the summations that ran while a task charged left it so.
    """
    return at >= (6, 16)


def thp_counts_pages(at: Version) -> bool:
    """5.12: counters of huge pages count in pages of the usual size. Before that, each counted as one.

    The last of the commits is 380780e71895.
    """
    return at >= (5, 12)


def khugepaged_scans(at: Version) -> bool:
    """6.3: pgscan and pgsteal of a memcg include what khugepaged did."""
    return at >= (6, 3)


def task_markers(at: Version) -> bool:
    """5.16: ``<TASK>`` and ``</TASK>`` around the part of a trace that is on the task's stack (x86)."""
    return at >= (5, 16)


def opcode_error(at: Version) -> str:
    """The format of what stands behind "Code: " where the code cannot be read; from 5.9 on.

    arch/x86/kernel/dumpstack.c, show_opcodes().
    """
    return "Unable to access opcode bytes at " + ("RIP 0x%x." if at < (6, 0) else "0x%x.")


def taint_flag_count(at: Version) -> int:
    """How many taint flags there are (include/linux/panic.h): TEST came with 6.0, FWCTL with 6.15."""
    return 18 if at < (6, 0) else 19 if at < (6, 15) else 20


def spanned_pages(at: Version) -> bool:
    """Up to 5.3 totalpages of a constrained OOM counts the pages that nodes span, holes too (node_spanned_pages).

    Ended by "mm, oom: consider present pages for the node size".
    """
    return at < (5, 4)

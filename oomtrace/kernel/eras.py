"""What the running kernel prints differently from others: asked of its types and symbols, else told by its version."""

from __future__ import annotations

import os
from typing import Optional

from oomtrace.facts import Facts
from oomtrace.history import eras, releases
from oomtrace.kernel import ksymtab, machine, meminfo, statistics
from oomtrace.kernel.btf import Btf
from oomtrace.kernel.symbols import Symbols

# What the facts ask about (meminfo, too).
SYMBOLS = ("preempt_model_str", "taint_flags", "node_data", "__show_mem", "hugetlb_show_meminfo")


def summed_rss(release: str) -> bool:
    """Whether the OOM killer adds up the CPUs' parts of a task's sizes."""
    return eras.summed_rss(releases.mainline(release))


def facts(btf: Btf, symbols: Symbols, release: str) -> Facts:
    """What the decoder needs to know of the running kernel: how it prints, and where its counters lie."""
    at = releases.mainline(release)
    return Facts(
        package=_no_package(symbols),
        task_markers=eras.task_markers(at),
        # "page_counter: track failcnt only for legacy cgroups" (6.15): on cgroup v2 the report has the counts of
        # memory.events instead.
        preempt_lazy=_preempt_lazy(symbols),
        failcnt_from_events=btf.field("page_counter", "track_failcnt") is not None,
        opcode_error=eras.opcode_error(at),
        taint_flags=_taint_flags(btf, symbols, eras.taint_flag_count(at)),
        # 6.10: each flag has a description, printed in a line of its own
        taint_names=btf.field("taint_flag", "desc") is not None,
        statistics=tuple(statistics.rows(btf, release, machine.page_bytes())),
        meminfo=meminfo.facts(btf, symbols, release),
    )


# kernel/sched/core.c, preempt_model_str(): the second is there with CONFIG_PREEMPT_LAZY, and without PREEMPT_DYNAMIC.
_LAZY = b"PREEMPT\0LAZY%s\0"


def _preempt_lazy(symbols: Symbols) -> Optional[bool]:
    """Whether a kernel that says PREEMPT in uname means CONFIG_PREEMPT_LAZY (6.13+): one word stands for both."""
    version = os.uname().version
    if symbols.address("preempt_model_str") is None or "PREEMPT" not in version or "DYNAMIC" in version:
        return None
    return ksymtab.holds(_LAZY, symbols)


# lib/dump_stack.c, dump_stack_print_info(), as debian/patches/debian/version.patch has it, up to 6.14 and from 6.15 on.
_PACKAGE = (b"Comm: %.20s %s%s %s %.*s %s%s\n\0", b"Comm: %.20s %s%s %s %.*s %s %s %s\n\0")


def _no_package(symbols: Symbols) -> Optional[str]:
    """"": somebody else than Debian has compiled Debian's sources. That kernel prints a blank, and an empty name.

    SUSE's kernels have the same format, and a name in it. So only one is asked that Debian's compiler has made.
    """
    debians = machine.package() is None and machine.compiled_by_debians()
    return "" if debians and any(ksymtab.holds(text, symbols) for text in _PACKAGE) else None


def _taint_flags(btf: Btf, symbols: Symbols, most: int) -> Optional[int]:
    """How many flags print_tainted knows. The table's size tells, but for the padding behind it, which may look like
    more flags: ``most`` is how many there are in this version."""
    flag, size = btf.struct_id("taint_flag"), symbols.size_bytes("taint_flags")
    return min(most, size // btf.size_bytes(flag)) if flag and size else None

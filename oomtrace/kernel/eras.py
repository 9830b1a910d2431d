"""What kernels print differently though no type or symbol of theirs tells: by release, each with its reason."""

from __future__ import annotations

from typing import Dict, Optional, Tuple

from oomtrace.kernel.btf import Btf
from oomtrace.kernel.statistics import release_version
from oomtrace.kernel.symbols import Symbols


def summed_rss(release: str) -> bool:
    """Whether the OOM killer adds up the CPUs' parts of an rss counter (get_mm_counter_sum; between 6.19 and 7.1)."""
    return release_version(release) >= (7, 0)


def facts(btf: Btf, symbols: Symbols, release: str) -> Dict[str, object]:
    """What the decoder needs to know of the running kernel's way to print."""
    version = release_version(release)
    opcode_error = "Unable to access opcode bytes at 0x%x."
    if version < (6, 0):
        opcode_error = "Unable to access opcode bytes at RIP 0x%x."  # 5.9 … 5.19
    return {
        # <TASK> around the trace of a task stack: 5.16 (x86/dumpstack)
        "task_markers": version >= (5, 16),
        # cgroup v2 prints memory.events' counts as failcnt: between 6.14 and 6.18
        "failcnt_from_events": version >= (6, 15),
        "opcode_error": opcode_error,
        "taint_flags": _taint_flags(btf, symbols, version),
        # 6.10: each flag has a description, printed in a line of its own
        "taint_names": btf.field("taint_flag", "desc") is not None,
    }


def _taint_flags(btf: Btf, symbols: Symbols, version: Tuple[int, int]) -> Optional[int]:
    """How many flags print_tainted knows. The table's size tells, but for the padding behind it: that may look like
    flags more, so a kernel has no flag that is younger than its release (TEST: 6.0, FWCTL: 6.15)."""
    flag, size = btf.struct_id("taint_flag"), symbols.size_bytes("taint_flags")
    known = 18 if version < (6, 0) else 19 if version < (6, 15) else 20
    return min(known, size // btf.size_bytes(flag)) if flag and size else None

"""Attach the programs, read their records. The only state is bcc's; what comes out is bytes."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from typing import Any, Callable, List, Optional

from oomtrace.errors import EXIT_LOCKDOWN, EXIT_NO_PROBE, OomtraceError
from oomtrace.kernel.probes import Target
from oomtrace.live.program import PARTS, Compiled, import_bcc

# For each CPU. A report of 5,000 tasks is about 2 MiB of records.
BUFFER_BYTES = 4 << 20
# On machines with many CPUs the buffers together stay within this.
BUFFERS_BYTES = 64 << 20

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def buffer_pages(cpus: int) -> int:
    """Pages of 4 KiB for each CPU's perf buffer, a power of two."""
    share = min(BUFFER_BYTES, BUFFERS_BYTES // max(cpus, 1))
    return max(64, 1 << (share // 4096).bit_length() - 1)


class Tracer:
    """The running probes. ``lost`` counts records that found the buffer full."""

    def __init__(self, compiled: Compiled, cpus: int) -> None:
        self._bpf = compiled.bpf
        self._kprobe = import_bcc().BPF.KPROBE
        self._records: List[bytes] = []
        self._cpus = cpus
        self.lost = 0
        self.pages = buffer_pages(cpus)
        self._table: Any = self._bpf["records"]

    def attach(self, targets: List[Target], skipped: Callable[[Target, str], None]) -> None:
        """Open the buffers and attach every program that has a function to enter.

        ``skipped`` hears of each probe that the report can do without. Raises OomtraceError for one that it cannot.
        """
        try:
            self._table.open_perf_buffer(self._take, page_cnt=self.pages, lost_cb=self._lose)
        except Exception as error:  # bcc raises bare Exception
            message = f"cannot open the perf buffers: {error}"
            raise OomtraceError(message, "is the kernel locked down?", EXIT_LOCKDOWN) from error
        parts = self._bpf["parts"]
        for index, name in enumerate(PARTS):
            parts[ctypes.c_int(index)] = ctypes.c_int(self._bpf.load_func(name, self._kprobe).fd)
        for target in targets:
            reason = self._attach(target)
            if reason is None:
                continue
            if target.probe.loses is None:
                raise OomtraceError(
                    f"cannot probe {target.symbol or target.probe.functions[0]}: {reason}",
                    _hint(),
                    EXIT_LOCKDOWN if _locked_down() else EXIT_NO_PROBE,
                )
            if not (target.probe.optional and target.symbol is None):
                skipped(target, reason)

    def _attach(self, target: Target) -> Optional[str]:
        if target.symbol is None:
            return "this kernel has no such function"
        try:
            self._bpf.attach_kprobe(event=target.symbol, fn_name=target.probe.program)
        except Exception as error:  # bcc raises bare Exception
            return str(error)
        return None

    def _take(self, _cpu: int, data: Any, size: int) -> None:
        self._records.append(ctypes.string_at(data, size))

    def _lose(self, count: int) -> None:
        self.lost += count

    def poll(self, timeout_ms: int) -> List[bytes]:
        """The records that have come; waits for some up to the time (-1: until a record or a signal)."""
        self._bpf.perf_buffer_poll(timeout=timeout_ms)
        taken, self._records = self._records, []
        return taken

    def close(self) -> None:
        """Detach everything."""
        # bcc closes the maps first and then stumbles over its own buffers (PerfEventArray.__del__): close those here.
        for cpu in range(self._cpus):
            with suppress(KeyError):
                del self._table[cpu]
        self._bpf.cleanup()


def _locked_down() -> bool:
    try:
        with open("/sys/kernel/security/lockdown") as file:
            return "[confidentiality]" in file.read()
    except OSError:
        return False


def _hint() -> str:
    if _locked_down():
        return "the kernel is in lockdown=confidentiality, which forbids BPF to read kernel memory"
    return "see /sys/kernel/debug/kprobes/blacklist and /proc/sys/debug/kprobes-optimization, and dmesg for the reason"


def protect() -> None:
    """Keep this process out of the OOM killer's reach and its pages in memory, as far as it is allowed to."""
    # Without CAP_SYS_RESOURCE and CAP_IPC_LOCK a trace is still worth having.
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("-1000")
    ctypes.CDLL(None).mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)


def privileged() -> bool:
    """Whether this is root; see README for the capabilities that serve instead."""
    return os.geteuid() == 0

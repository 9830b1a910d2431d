"""Records → Killed: signals that ended processes, who sent them, and how short of memory all was."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import Killed, MachineMemory, MemcgLevel, Sender, Sent, Signalled
from oomtrace.model import Pressure as PressureAverages
from oomtrace.wire.layout import text_of
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import Pressure, RecordKind, RecSender, RecSignal

_PSI_PERCENT = 2048  # FIXED_1, include/linux/sched/loadavg.h
_SIGKILL, _SIGBUS, _SIGPIPE, _SIGXCPU, _SIGXFSZ, _SIGSYS = 9, 7, 13, 24, 25, 31
_SYS_SECCOMP = 1
_MEMORY_ERRORS = (4, 5)  # BUS_MCEERR_AR, BUS_MCEERR_AO
_NO_LIMIT = (1 << 64) - 1


def killed(records: OomRecords, memcgs: Memcgs) -> Killed:
    """The deed."""
    sender = records.first(RecordKind.SENDER, RecSender)
    signals = records.all(RecordKind.SIGNAL, RecSignal)
    first = signals[0] if signals else None
    return Killed(
        how=_how(records, sender, first) if first else None,
        sender=_sender(sender, memcgs) if sender else None,
        victims=tuple(_signalled(signal, records, memcgs) for signal in signals),
        pressure=_pressure(first.pressure, records) if first else None,
        machine=_machine(sender, records) if sender else None,
        said=records.facts.said,
        oomd_kills=records.facts.oomd_kills,
    )


def levels(records: OomRecords, memcgs: Memcgs) -> tuple[MemcgLevel, ...]:
    """The first victim's memcg and those above it."""
    first = records.first(RecordKind.SIGNAL, RecSignal)
    return memcgs.levels_from(first.row.memcg) if first else ()


def _how(records: OomRecords, sender: Optional[RecSender], signal: RecSignal) -> Sent:
    flags = sender.flags if sender else 0
    names = records.constants
    own = sender is not None and sender.tgid == signal.row.tgid
    if flags & names["SENDER_CGROUP_KILL"] and signal.signal == _SIGKILL:
        return Sent.CGROUP_KILL
    if signal.signal == _SIGXFSZ and own:
        return Sent.RLIMIT_FSIZE
    if signal.sent_from == names["FROM_PROCESS"]:
        return Sent.PROCESS
    if signal.sent_from == names["FROM_FAULT"]:
        return _of_fault(signal)
    exiting = flags & names["SENDER_EXITING"]
    if signal.sent_from == names["FROM_NOINFO"]:
        return _without_info(signal, own, bool(exiting), bool(flags & names["SENDER_KTHREAD"]))
    if exiting and not own:
        return Sent.PID_NAMESPACE
    if signal.signal == _SIGXCPU or (signal.signal == _SIGKILL and own and signal.rlimit_cpu_s != _NO_LIMIT):
        return Sent.RLIMIT_CPU
    return Sent.KERNEL


def _without_info(signal: RecSignal, own: bool, exiting: bool, by_kthread: bool) -> Sent:
    """SEND_SIG_NOINFO stands for what kill(2) would have as its info (__send_signal_locked). On 7.3 kill(2) itself
    gives it; before, only the kernel on behalf of a process does."""
    if exiting and not own:
        return Sent.PARENT_DEATH
    return Sent.KERNEL if by_kthread or (own and signal.signal == _SIGPIPE) else Sent.PROCESS


def _of_fault(signal: RecSignal) -> Sent:
    if signal.signal == _SIGSYS and signal.code == _SYS_SECCOMP:
        return Sent.SECCOMP
    if signal.signal == _SIGBUS and signal.code in _MEMORY_ERRORS:
        return Sent.MEMORY_ERROR
    return Sent.FAULT


def _sender(sender: RecSender, memcgs: Memcgs) -> Sender:
    args = bytes(sender.args[: sender.args_bytes]).rstrip(b"\0").replace(b"\0", b" ")
    return Sender(
        pid=sender.tgid,
        comm=text_of(sender.comm),
        command_line=args.decode("utf-8", "surrogateescape") if args else None,
        uid=sender.uid,
        memcg=memcgs.path_of(sender.memcg),
        parent_pid=sender.parent_tgid or None,
        parent_comm=text_of(sender.parent_comm) if sender.parent_tgid else None,
    )


def _signalled(signal: RecSignal, records: OomRecords, memcgs: Memcgs) -> Signalled:
    row, kb = signal.row, records.facts.page_kb
    has_mm = row.flags & records.constants["TASK_HAS_MM"]
    asked = signal.asked_ns
    return Signalled(
        pid=row.tgid,
        comm=text_of(row.comm),
        signal=signal.signal,
        fatal=bool(signal.fatal),
        time_ns=signal.header.time_ns,
        uid=row.uid,
        memcg=memcgs.path_of(row.memcg),
        anon_rss_kb=row.anon_pages * kb if has_mm else None,
        file_rss_kb=row.file_pages * kb if has_mm else None,
        shmem_rss_kb=row.shmem_pages * kb if has_mm else None,
        swap_kb=row.swap_entries * kb if has_mm else None,
        oom_score_adj=row.oom_score_adj,
        code=signal.code,
        syscall=signal.syscall if signal.syscall >= 0 else None,
        asked_ns=signal.header.time_ns - asked if asked else None,
        asked_by_pid=signal.asked_by if asked else None,
        asked_by_comm=text_of(signal.asked_by_comm) if asked else None,
    )


def _machine(sender: RecSender, records: OomRecords) -> MachineMemory:
    kb = records.facts.page_kb
    swap = sender.total_swap_pages >= 0
    return MachineMemory(
        ram_kb=sender.ram_pages * kb,
        free_kb=sender.free_pages * kb,
        file_kb=sender.file_pages * kb,
        slab_reclaimable_kb=sender.slab_reclaimable_pages * kb,
        swap_free_kb=sender.free_swap_pages * kb if swap else None,
        swap_total_kb=sender.total_swap_pages * kb if swap else None,
        pressure=_pressure(sender.pressure, records),
    )


def _pressure(found: Pressure, records: OomRecords) -> Optional[PressureAverages]:
    """None where the kernel does not measure it."""
    if records.tracked(found.some[0]) is None:
        return None
    return PressureAverages(*(round(each / _PSI_PERCENT, 2) for each in (*found.some, *found.full)))

"""Records → the tasks: rows of the table, candidates, kills."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, List, Mapping, Optional, Tuple

from oomtrace.model import Candidate, Kill, Task
from oomtrace.wire.layout import ByKind, Record, text_of

_LONG_MIN = -(1 << 63)


class Tasks:
    """Makes tasks of rows. ``flags``: what a row's flags mean, by name; ``path_of``: a memcg's path by its address."""

    def __init__(self, flags: Mapping[str, int], page_kb: int, path_of: Callable[[int], Optional[str]]) -> None:
        self._flags = flags
        self._page_kb = page_kb
        self._path_of = path_of

    def printed(self, row: Any) -> bool:
        """Whether dump_task prints the task (oom_unkillable_task, find_lock_task_mm)."""
        hidden = self._flags["TASK_KTHREAD"] | self._flags["TASK_INIT"]
        return bool(row.flags & self._flags["TASK_HAS_MM"]) and not row.flags & hidden

    def task(self, row: Any) -> Task:
        """A row's task; its sizes are None where it has no mm."""
        has_mm = row.flags & self._flags["TASK_HAS_MM"]
        return Task(
            pid=row.pid,
            comm=text_of(row.comm),
            uid=row.uid,
            tgid=row.tgid,
            total_vm_pages=row.total_vm if has_mm else None,
            rss_pages=row.file_pages + row.anon_pages + row.shmem_pages if has_mm else None,
            rss_anon_pages=row.anon_pages if has_mm else None,
            rss_file_pages=row.file_pages if has_mm else None,
            rss_shmem_pages=row.shmem_pages if has_mm else None,
            pgtables_bytes=row.pgtables_bytes if has_mm else None,
            swapents_pages=row.swap_entries if has_mm else None,
            oom_score_adj=row.oom_score_adj,
            memcg=self._path_of(row.memcg),
        )

    def candidates(self, by_kind: ByKind) -> Tuple[Candidate, ...]:
        """In the kernel's order, with the points that oom_badness gave; it has none for a task that must not die."""
        records = by_kind.get("REC_BADNESS", [])
        points = {record.pid: record.points for record in records if record.points != _LONG_MIN}
        rows = [record.row for record in by_kind.get("REC_CANDIDATE", [])]
        return tuple(
            Candidate(self.task(row), points.get(row.group_pid or row.pid), self._skipped(row)) for row in rows
        )

    def _skipped(self, row: Any) -> Optional[str]:
        reasons = (
            ("TASK_INIT", "init"),
            ("TASK_KTHREAD", "kernel thread"),
            ("TASK_OOM_SKIP", "MMF_OOM_SKIP"),
            ("TASK_IN_VFORK", "in_vfork"),
        )
        for flag, reason in reasons:
            if row.flags & self._flags[flag]:
                return reason
        if not row.flags & self._flags["TASK_HAS_MM"]:
            return "no mm"
        return "oom_score_adj" if row.oom_score_adj == -1000 else None

    def kills(self, records: List[Record]) -> Tuple[Kill, ...]:
        """In order, each with the message before it and with the sizes that were printed, if they were."""
        kills, message = [], None
        for record in records:
            if record.kind == "REC_KILL":
                message = text_of(record.body.message)
            elif record.kind == "REC_KILLED":
                kills.append(self._kill(record.body.row, message, record.time_ns))
            elif record.kind == "REC_KILL_LINE" and kills and kills[-1].pid == record.body.pid:
                kills[-1] = _as_printed(kills[-1], record.body)
        return tuple(kills)

    def _kill(self, row: Any, message: Optional[str], time_ns: int) -> Kill:
        kb = self._page_kb
        return Kill(
            pid=row.pid,
            comm=text_of(row.comm),
            message=message,
            uid=row.uid,
            total_vm_kb=row.total_vm * kb,
            anon_rss_kb=row.anon_pages * kb,
            file_rss_kb=row.file_pages * kb,
            shmem_rss_kb=row.shmem_pages * kb,
            pgtables_kb=row.pgtables_bytes >> 10,
            oom_score_adj=row.oom_score_adj,
            time_ns=time_ns,
        )


def _as_printed(kill: Kill, line: Any) -> Kill:
    """With the sizes that printk got."""
    return replace(
        kill, total_vm_kb=line.total_vm_kb, anon_rss_kb=line.anon_kb, file_rss_kb=line.file_kb,
        shmem_rss_kb=line.shmem_kb, pgtables_kb=line.pgtables_kb,
    )

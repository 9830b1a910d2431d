"""Records → the tasks: rows of the table, candidates."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import Candidate, Task
from oomtrace.wire.layout import text_of
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import RecBadness, RecordKind, RecTask, TaskRow

_LONG_MIN = -(1 << 63)
_OOM_SCORE_ADJ_MIN = -1000  # include/uapi/linux/oom.h
# Why a task could not be chosen, by the flag that says so (records.h, enum task_flag), the first that it has.
_SKIPPED = (
    ("TASK_INIT", "init"),
    ("TASK_KTHREAD", "kernel thread"),
    ("TASK_OOM_SKIP", "MMF_OOM_SKIP"),
    ("TASK_IN_VFORK", "in_vfork"),
)


class Tasks:
    """Makes tasks of the rows that the records of an OOM have."""

    def __init__(self, records: OomRecords, memcgs: Memcgs) -> None:
        self._records = records
        self._memcgs = memcgs
        flags = records.constants
        self._has_mm = flags["TASK_HAS_MM"]
        self._hidden = flags["TASK_KTHREAD"] | flags["TASK_INIT"]
        self._skipped = tuple((flags[flag], reason) for flag, reason in _SKIPPED)

    @property
    def tabled(self) -> bool:
        """Whether the kernel's report has the task table, which may have no rows."""
        header = self._records.header
        return self._records.has(RecordKind.TASK) or (header is not None and header.dump_tasks == 1)

    def table(self) -> Optional[tuple[Task, ...]]:
        """The task table; where the kernel prints none, the tasks that it weighed: the same in the same order."""
        found = self._records.all(RecordKind.TASK, RecTask) or self._records.all(RecordKind.CANDIDATE, RecTask)
        if not found and not self.tabled:
            return None
        return tuple(self._task(record.row) for record in found if self._is_printed(record.row))

    def candidates(self) -> tuple[Candidate, ...]:
        """In the kernel's order, with the points that oom_badness gave; it has none for a task that must not die."""
        weighed = self._records.all(RecordKind.BADNESS, RecBadness)
        points = {record.pid: record.points for record in weighed if record.points != _LONG_MIN}
        rows = [record.row for record in self._records.all(RecordKind.CANDIDATE, RecTask)]
        return tuple(
            Candidate(self._task(row), points.get(row.group_pid or row.pid), self._reason(row)) for row in rows
        )

    def _is_printed(self, row: TaskRow) -> bool:
        """Whether dump_task prints the task (oom_unkillable_task, find_lock_task_mm)."""
        return bool(row.flags & self._has_mm) and not row.flags & self._hidden

    def _task(self, row: TaskRow) -> Task:
        """A row's task; its sizes are None where it has no mm."""
        has_mm = row.flags & self._has_mm
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
            memcg=self._memcgs.path_of(row.memcg),
        )

    def _reason(self, row: TaskRow) -> Optional[str]:
        """Why the kernel skipped it, in its terms; None if it could be chosen."""
        for flag, reason in self._skipped:
            if row.flags & flag:
                return reason
        if not row.flags & self._has_mm:
            return "no mm"
        return "oom_score_adj" if row.oom_score_adj == _OOM_SCORE_ADJ_MIN else None

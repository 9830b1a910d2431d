"""The task table and the candidates."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from oomtrace.wire.layout import TraceRecord
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import RecordKind
from oomtrace.wire.tasks import Tasks
from tests.wire.made import LAYOUT, oom_records, record

HAS_MM = LAYOUT.constants["TASK_HAS_MM"]
LONG_MIN = -(1 << 63)


def _tasks(*records: TraceRecord) -> Tasks:
    of: OomRecords = oom_records(*records)
    return Tasks(of, Memcgs(of))


def _task(kind: RecordKind, pid: int, flags: int = HAS_MM, **row: Any) -> TraceRecord:
    return record(kind, row={"pid": pid, "tgid": pid, "comm": b"t", "flags": flags, **row})


def test_a_row_has_its_sizes() -> None:
    (task,) = _tasks(_task(RecordKind.TASK, 1, file_pages=1, anon_pages=2, shmem_pages=4, swap_entries=8)).table() or ()
    assert (task.rss_pages, task.rss_anon_pages, task.swapents_pages) == (7, 2, 8)


def test_rows_that_the_kernel_does_not_print() -> None:
    flags = LAYOUT.constants
    rows = [_task(RecordKind.CANDIDATE, pid, each) for pid, each in enumerate(
        (HAS_MM, 0, HAS_MM | flags["TASK_KTHREAD"], HAS_MM | flags["TASK_INIT"]))]
    assert [task.pid for task in _tasks(*rows).table() or ()] == [0]


def test_without_a_table_those_that_were_weighed() -> None:
    weighed, listed = _task(RecordKind.CANDIDATE, 1), _task(RecordKind.TASK, 2)
    assert [task.pid for task in _tasks(weighed).table() or ()] == [1]
    assert [task.pid for task in _tasks(weighed, listed).table() or ()] == [2]


@pytest.mark.parametrize("dump_tasks, table", [(1, ()), (0, None), (-1, None)])
def test_a_table_without_rows_is_not_no_table(dump_tasks: int, table: Optional[tuple[()]]) -> None:
    tasks = _tasks(record(RecordKind.HEADER, dump_tasks=dump_tasks))
    assert tasks.table() == table and tasks.tabled == (table is not None)


@pytest.mark.parametrize("flag, adj, skipped", [
    (None, 0, None), (None, -1000, "oom_score_adj"), ("TASK_INIT", 0, "init"), ("TASK_KTHREAD", 0, "kernel thread"),
    ("TASK_OOM_SKIP", 0, "MMF_OOM_SKIP"), ("TASK_IN_VFORK", -1000, "in_vfork"),
])
def test_why_a_candidate_was_skipped(flag: Optional[str], adj: int, skipped: Optional[str]) -> None:
    flags = HAS_MM | (LAYOUT.constants[flag] if flag else 0)
    (found,) = _tasks(_task(RecordKind.CANDIDATE, 1, flags, oom_score_adj=adj)).candidates()
    assert found.skipped == skipped


def test_a_candidate_without_memory_has_no_sizes() -> None:
    (found,) = _tasks(_task(RecordKind.CANDIDATE, 1, 0, anon_pages=5)).candidates()
    assert found.skipped == "no mm" and found.task.rss_pages is None


def test_points_are_those_of_the_task_that_was_asked_for() -> None:
    rows = [_task(RecordKind.CANDIDATE, 2, group_pid=1), _task(RecordKind.CANDIDATE, 3), _task(RecordKind.CANDIDATE, 4)]
    weighed = [record(RecordKind.BADNESS, pid=1, points=-7), record(RecordKind.BADNESS, pid=3, points=LONG_MIN)]
    assert [found.points for found in _tasks(*rows, *weighed).candidates()] == [-7, None, None]

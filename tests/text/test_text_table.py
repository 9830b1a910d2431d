"""Rows of a table are read many at a time: what comes of it must be what reading them one by one gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_corpus import SEED_TEXT, kernel_text

from oomtrace.formats import ROWS
from oomtrace.model import OomEvent, Task
from oomtrace.text import read
from oomtrace.text.lines import lines
from oomtrace.text.read import LogReader
from oomtrace.text.table import is_table, table_of

HEAD, TAIL = SEED_TEXT[: SEED_TEXT.index("[ pid ]")], SEED_TEXT[SEED_TEXT.index("Memory cgroup out of memory"):]
TITLE = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n"


def _row(pid: int, comm: str, rss: int = 7) -> str:
    return f"[{pid:7d}] {0:5d} {pid:5d} {100:8d} {rss:8d} {69632:8d} {0:8d} {-1000:13d} {comm}"


def _report(rows: list[str]) -> list[str]:
    return (HEAD + TITLE).splitlines() + rows + TAIL.splitlines()


def _one_by_one(log: bytes) -> Iterator[OomEvent]:
    """As ``read`` does, without the short way."""
    reader = LogReader()
    for line in lines([log], lambda: reader.reading):
        yield from reader.feed(line)
    yield from reader.finish()


# A prefix for each line, by its number.
FORMS = {
    "dmesg": lambda at: f"[{100 + at // 50:5d}.{at * 19 % 1000000:06d}] ",
    "caller": lambda at: f"[{100 + at // 50:5d}.{at * 19 % 1000000:06d}][ T1399] ",
    "kmsg": lambda at: f"6,{900 + at},{100000000 + at * 19},-;",
    "syslog": lambda at: f"Nov 29 02:{at // 60 % 60:02d}:{at % 60:02d} ip-10-0-0-1 kernel: [{100 + at:5d}.{at:06d}] ",
    "journal": lambda at: f"Nov 29 02:{at // 60 % 60:02d}:{at % 60:02d} host7 kernel: ",
    "iso": lambda at: f"2026-11-29T02:{at // 60 % 60:02d}:{at % 60:02d}.{at:06d}+00:00 host kernel: ",
    "monotonic": lambda at: f"[{100 + at:5d}.{at:06d}] host kernel: ",
    "level": lambda at: f"<6>[{100 + at:5d}.{at:06d}] ",
    "console": lambda at: f"kern  :info  : [{100 + at:5d}.{at:06d}] ",
    "bare": lambda at: "",
}


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each batch had."""
    sizes: list[int] = []
    take = LogReader.take_rows

    def noting(reader: LogReader, data: bytes, at: int, end: int) -> "tuple[int, int]":
        count, at = take(reader, data, at, end)
        sizes.append(count)
        return count, at

    monkeypatch.setattr(LogReader, "take_rows", noting)
    return sizes


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_says_what_its_lines_say(form: str, taken: list[int]) -> None:
    rows = [_row(pid, f"task {pid}") for pid in range(90, 400)]
    log = "".join(FORMS[form](at) + line + "\n" for at, line in enumerate(_report(rows) * 2)).encode()
    found = list(read([log]))
    assert found == list(_one_by_one(log)) and len(found) == (1 if form == "bare" else 2)  # the same
    assert len(found[0].report.tasks or ()) == 310
    assert "\n".join(rows) in kernel_text(found[0])
    assert form == "bare" or sum(taken) > 500, "the short way was not taken"


@pytest.mark.parametrize("comm", [
    "a[1.000000] b", "\\x0a", "#012", "caf\u00e9", "x\ty", '{"a":1}', "'a'", "", " a ", "<b>", "a\rb",
    "a=41b", "a=", "| a |", "a|b", "&lt;", "%s",
])
def test_an_odd_name_goes_the_long_way(comm: str) -> None:
    rows = [_row(pid, comm if pid % 11 == 5 else "task") for pid in range(100, 160)]
    for form in FORMS.values():
        log = "".join(form(at) + line + "\n" for at, line in enumerate(_report(rows))).encode()
        assert list(read([log])) == list(_one_by_one(log))


_ROWS = st.one_of(
    st.builds(_row, st.integers(0, 10**7), st.text("abz /:()-_[]\\#.9 ", max_size=15), st.integers(0, 10**9)),
    st.sampled_from(["oom-kill: x", "[ 12] broken", "task 7", "", "usb 1-1: new device", "[     12]     0"]),
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(_ROWS, max_size=40), cuts=st.lists(st.integers(1, 4000), max_size=6),
       form=st.sampled_from(sorted(FORMS)))
def test_whatever_is_between_and_however_it_comes(rows: list[str], cuts: list[int], form: str) -> None:
    log = "".join(FORMS[form](at) + line + "\n" for at, line in enumerate(_report(rows))).encode()
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(log[at: at + cut])
        at += cut
    assert list(read(pieces + [log[at:]])) == list(_one_by_one(log))


def test_the_last_row_waits_for_what_may_be_a_part_of_it() -> None:
    rows = [_row(pid, "task") for pid in range(100, 120)]
    for broken in (["name"], [" more"], [""], [_row(120, "a")[:30], _row(120, "a")[30:]]):
        prefix = FORMS["dmesg"]
        log = "".join(prefix(at) * (line not in broken) + line + "\n"
                      for at, line in enumerate(_report(rows + broken))).encode()
        assert list(read([log])) == list(_one_by_one(log))


def test_two_reports_at_once_are_not_mixed() -> None:
    """From two CPUs, told apart by their callers."""
    both = [(f"[  100.{at:06d}][{caller:>6}] ", line) for caller in ("T1", "T2")
            for at, line in enumerate(_report([_row(1000 * int(caller[1:]) + each, "task") for each in range(50)]))]
    both.sort(key=lambda pair: pair[0][:13])
    log = "".join(prefix + line + "\n" for prefix, line in both).encode()
    found = list(read([log]))
    assert found == list(_one_by_one(log))
    assert [len(event.report.tasks or ()) for event in found] == [50, 50]


def test_numbers_that_no_format_prints_so_end_a_batch() -> None:
    rows = [_row(pid, "task") for pid in range(100, 140)]
    rows[20] = rows[20].replace("[    120]", "[  00120]")
    log = "".join(FORMS["dmesg"](at) + line + "\n" for at, line in enumerate(_report(rows))).encode()
    assert list(read([log])) == list(_one_by_one(log))


def test_which_rows_make_tables() -> None:
    tables = {key.partition("/")[0] for key in ROWS if is_table(key)}
    assert tables == {"task", "slab"}
    row = ROWS["task/4.19"]
    assert table_of(row, "") is None and table_of(row, "kernel: ") is None
    assert table_of(ROWS["zone/6.18"], "[    1.000019] ") is None
    table = table_of(row, "[    1.000019] ")
    assert table is not None and table is table_of(row, "[12345.678901] "), "one for all times"


def test_a_row_becomes_a_task_with_what_is_not_printed_unknown() -> None:
    data = "".join(f"[    1.0000{at:02d}] {_row(at, 'x')}\n" for at in range(10, 20)).encode()
    table = table_of(ROWS["task/4.19"], "[    1.000019] ")
    assert table is not None
    batch = table.take(data, 0, len(data), 100, 5)
    assert batch is not None and len(batch.items) == len(batch.lines) == 9
    assert batch.items[0] == Task(10, "x", uid=0, tgid=10, total_vm_pages=100, rss_pages=7, pgtables_bytes=69632,
                                  swapents_pages=0, oom_score_adj=-1000)
    assert (batch.lines[0].number, batch.lines[0].item, batch.lines[0].time_ns) == (100, 5, 1000010000)
    assert data[batch.end:].startswith(b"[    1.000019] [     19]")

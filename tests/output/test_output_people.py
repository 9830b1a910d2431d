"""What people read: text, kernel, why; on terminals and elsewhere."""

from __future__ import annotations

import io
import os
import pty
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Callable

import pytest
from why_events import machine_wide, memcg2, seed

from oomtrace import output, why
from oomtrace.errors import OomtraceError
from oomtrace.model import MemcgLevel, OomEvent
from oomtrace.output import terminal
from tests.events import changed

HOSTILE = "x\x1b[31m\x07\u202ey\udcff"


def written(format: str, *events: OomEvent, **options: Any) -> str:
    stream = io.StringIO()
    writer = output.writer(format, stream, **options)
    for event in events:
        writer.event(event)
    writer.finish(why.pattern(events))
    return stream.getvalue()


def to_bytes(format: str, event: OomEvent) -> bytes:
    raw = io.BytesIO()
    writer = output.writer(format, io.TextIOWrapper(raw, encoding="ascii"))
    writer.event(event)
    writer.finish()
    return raw.getvalue()


def to_terminal(act: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What arrives at a terminal. It is read while it is written: a terminal takes some 4 to 64 KiB ahead, as the
    kernel pleases, and then makes the writer wait."""
    monkeypatch.setenv("TERM", "xterm")
    leader, follower = pty.openpty()
    with ThreadPoolExecutor(1) as reader:
        arrived = reader.submit(read_all, leader)
        with os.fdopen(follower, "w") as stream:
            act(stream)
    return arrived.result()


def read_all(leader: int) -> bytes:
    chunks = []
    try:
        while chunk := os.read(leader, 65536):
            chunks.append(chunk)
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(leader)
    return b"".join(chunks)


def hostile() -> OomEvent:
    event = memcg2()
    rows = tuple(replace(row, comm=HOSTILE) if row.pid == 11 else row for row in event.report.tasks or ())
    assert event.report.summary is not None and event.report.memcg is not None
    return changed(
        event, tasks=rows, kills=tuple(replace(kill, comm=HOSTILE) for kill in event.report.kills),
        summary=replace(event.report.summary, task=HOSTILE), trigger=replace(event.report.trigger, comm=HOSTILE),
        memcg=replace(event.report.memcg, path="/" + HOSTILE), victim_memcg="/" + HOSTILE,
    )


def test_there_is_no_such_format() -> None:
    with pytest.raises(OomtraceError) as error:
        output.writer("xml", io.StringIO())
    assert error.value.hint == f"choose one of {', '.join(output.FORMATS)}"


def test_kernel_is_the_kernels_text_alone() -> None:
    lines = written("kernel", seed()).splitlines()
    assert lines[0] == "python invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0"
    assert lines[-2:] == [
        "Memory cgroup out of memory: Kill process 1399 (python) score 973 or sacrifice child",
        "Killed process 1399 (python) total-vm:4029416kB, anon-rss:1048144kB, file-rss:1856kB, shmem-rss:0kB",
    ]


def test_text_has_both_and_sets_them_apart() -> None:
    report, explanation = written("text", seed()).split("\n-- why ---", 1)
    assert report == written("kernel", seed())
    assert "/foo reached its memory limit of 1.0 GiB" in explanation


def test_text_has_times_where_they_are_known() -> None:
    event = changed(seed(), times_ns={"header": 122_078_526_000})
    assert written("text", event).startswith("[  122.078526] python invoked oom-killer:")


def test_why_leads_through_the_steps() -> None:
    lines = written("why", seed()).splitlines()
    numbers = [line[0] for line in lines if re.match(r"\d ", line)]
    assert numbers == ["1", "2", "3", "4", "5"]
    assert re.search(r"3 filled by +anonymous +1023\.9 MiB +1048520 kB +100\.0 %", "\n".join(lines))
    assert any(line.endswith("255137  python <- killed") for line in lines)


@pytest.mark.parametrize("event", [seed(), memcg2(), machine_wide()])
def test_one_oom_is_at_most_a_screen(event: OomEvent) -> None:
    lines = written("why", event).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100


def test_the_hierarchy_of_a_live_trace() -> None:
    levels = (MemcgLevel("/p/a", 49152, 49152), MemcgLevel("/p", 65536, 98304, min_kb=1024), MemcgLevel("/", 99999))
    memcg = memcg2().report.memcg
    assert memcg is not None
    shown = written("why", changed(memcg2(), levels=levels))
    assert re.search(r"\n +64\.0 MiB +96\.0 MiB +1\.0 MiB +0 kB +max  /p\n", shown)
    alone = changed(memcg2(), levels=levels[:1])
    assert "usage      limit        min" not in written("why", alone)


def test_an_unprinted_kill_says_so_first() -> None:
    lines = written("why", changed(memcg2(), printed=False, unprinted_reason="rate limit")).splitlines()
    assert lines[3].startswith("  not printed  The kernel printed no report of this kill: its rate limit")


def test_several_events_end_with_the_pattern() -> None:
    assert written("why", seed(), seed()).endswith(
        "2 OOMs in 1 place, 2 processes killed.\n  /foo: 2 OOMs, the victim was python each time.\n"
    )
    assert "2 OOMs" not in written("why", seed())
    assert "2 OOMs" not in written("kernel", seed(), seed())


def test_no_colour_but_on_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in written("why", seed())
    assert "\x1b[" in written("why", seed(), colour=True)

    def act(stream: Any) -> None:
        output.writer("why", stream).event(seed())

    assert b"\x1b[1m" in to_terminal(act, monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    assert b"\x1b" not in to_terminal(act, monkeypatch)


def test_colour_changes_nothing_else() -> None:
    coloured = written("why", seed(), colour=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == written("why", seed())


@pytest.mark.parametrize("format", ["text", "kernel", "why", "json", "jsonl", "yaml"])
def test_nothing_of_a_name_acts_on_a_terminal(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    def act(stream: Any) -> None:
        writer = output.writer(format, stream)
        writer.event(hostile())
        writer.finish()

    seen = to_terminal(act, monkeypatch).decode()
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", seen)


def test_the_explanation_is_safe_everywhere() -> None:
    assert "x\\x1b[31m\\x07\\u202ey\\xff (11)" in written("why", hostile())


def test_the_kernels_bytes_arrive_as_they_were() -> None:
    """Also where the stream's own encoding could not take them."""
    data = to_bytes("kernel", hostile())
    assert b"Killed process 11 (x\x1b[31m\x07\xe2\x80\xaey\xff)" in data


def test_a_stream_of_bytes() -> None:
    raw = io.BytesIO()
    output.writer("kernel", raw).event(seed())
    assert raw.getvalue().startswith(b"python invoked oom-killer")


@pytest.mark.parametrize(
    ("text", "safe"),
    [("plain", "plain"), ("a\tb", "a\tb"), ("é中", "é中"), ("\x1b", "\\x1b"), ("\x9b", "\\x9b"), ("\n", "\\x0a"),
     ("\u202e", "\\u202e"), ("\udc80", "\\x80"), ("\U000e0001", "\\U000e0001"), ("\u2028", "\\u2028")],
)
def test_escaped(text: str, safe: str) -> None:
    assert terminal.escaped(text) == safe

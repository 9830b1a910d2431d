"""The OOMs of which pages are made in tests and by ``make pictures``."""

from __future__ import annotations

import gzip
import io
import random
from dataclasses import replace
from pathlib import Path
from typing import Optional

from oomtrace import output, text, why
from oomtrace.model import Charge, Code, CodeFrame, CodeSample, CodeStack, Growth, OomEvent, Task
from oomtrace.output.html import HtmlWriter
from oomtrace.page import document
from oomtrace.wire import capture
from tests.codes import CODE
from tests.events import changed

TESTS = Path(__file__).resolve().parents[1]
DATA = Path(__file__).resolve().parent / "data"
DEMO = TESTS / "fixtures" / "data" / "6.1-memcg-v2.oom"
CAPTURES = {
    "demo": DEMO,
    "first": TESTS / "fixtures" / "data" / "5.10-memcg-v1.oom",
    "newest": TESTS / "fixtures" / "data" / "7.3-memcg-v2.oom",
    "swap": TESTS / "wire" / "data" / "6.1-swap.oom.gz",
    "mempolicy": TESTS / "wire" / "data" / "6.12-mempolicy.oom.gz",
    "two-nodes": DATA / "two-nodes.oom.gz",
    "tmpfs": DATA / "tmpfs.oom.gz",
    "container": DATA / "container.oom.gz",
    "group": DATA / "group.oom.gz",
}
HOSTILE = "<script>alert(1)</script>"
BEYOND = "</pre>\u202e\x1b[2J\udcff&amp;"  # what ends an element, reorders, and is no text


def captured(name: str) -> OomEvent:
    """The OOM of a capture."""
    data = CAPTURES[name].read_bytes()
    data = gzip.decompress(data) if CAPTURES[name].suffix == ".gz" else data
    (event,) = capture.events(capture.load(io.BytesIO(data)))
    return event


def logged(lines: str) -> list[OomEvent]:
    """The OOMs of a log."""
    return list(text.read(io.BytesIO(lines.encode("utf-8", "surrogateescape"))))


def as_log(event: OomEvent) -> str:
    """What the kernel's log has of an event."""
    return text.text(text.write(event), timestamps=True)


def cut() -> OomEvent:
    """A report whose end is lost."""
    lines = as_log(captured("demo")).splitlines(keepends=True)
    (event,) = logged("".join(lines[: len(lines) * 2 // 3]))
    return event


def busy(tasks: int = 1000) -> OomEvent:
    """An OOM that lists many tasks."""
    event = captured("demo")
    rows = event.report.tasks or ()
    named = ("postgres", "nginx", "java", "node", "python3", "sshd")
    more = tuple(
        Task(pid=1000 + n, tgid=1000 + n, comm=named[n % 6], uid=n % 7, total_vm_pages=9000 + n * 3,
             rss_pages=50 + n * 7 % 997, pgtables_bytes=65536, swapents_pages=0, oom_score_adj=(n % 5) * 10)
        for n in range(tasks - len(rows))
    )
    return changed(event, tasks=rows + more, candidates=())


def coded(event: Optional[OomEvent] = None) -> OomEvent:
    """An OOM with stacks."""
    return changed(event if event is not None else captured("demo"), code=CODE)


def deep(stacks: int = 500) -> OomEvent:
    """An OOM with many stacks, drawn by chance that is the same each time."""
    chance = random.Random(17)
    frames = tuple(CodeFrame(f"shop::stage_{n}<std::vector<row>>::operator()", f"/opt/lib{n % 9}.so", n * 64,
                             f"src/stage_{n}.cpp", n, library=n % 5 == 0) for n in range(300))
    found, samples = [], []
    for n in range(stacks):
        depth = chance.randrange(5, 40)
        outer = tuple(chance.randrange(level * 6, level * 6 + 1 + min(level, 3)) for level in range(depth, 0, -1))
        found.append(CodeStack(outer))
        samples.append(CodeSample(n, 158 + n % 3, 158 + n % 3, "catalog", chance.randrange(1, 9) << 18, 1, Charge.ANON))
    code = Code(frames, tuple(found), tuple(samples), window_ns=5_000_000_000, unwinder="libdw")
    return changed(captured("demo"), code=code)


def hostile() -> OomEvent:
    """Whatever others can choose is markup."""
    event = captured("demo")
    report = event.report

    def named(task: Task) -> Task:
        return replace(task, comm=HOSTILE if task.pid % 2 else BEYOND, memcg=f"/{HOSTILE}")

    assert report.memcg is not None and report.summary is not None
    return changed(
        event,
        tasks=tuple(map(named, report.tasks or ())),
        candidates=tuple(replace(one, task=named(one.task)) for one in event.trace.candidates),
        kills=tuple(replace(kill, comm=HOSTILE) for kill in report.kills),
        trigger=replace(report.trigger, comm=HOSTILE, memcg=f"/{HOSTILE}/in"),
        memcg=replace(report.memcg, path=f"/{HOSTILE}"),
        summary=replace(report.summary, oom_memcg=f"/{HOSTILE}", task_memcg=f"/{HOSTILE}/in", task=HOSTILE),
        victim_memcg=f"/{HOSTILE}/in",
        levels=tuple(replace(level, path=f"/{HOSTILE}") for level in event.trace.levels),
        growth=tuple(Growth(one.pid, HOSTILE, one.charged_pages, one.memcg, one.window_ns)
                     for one in event.trace.growth),
        host=HOSTILE,
        code=replace(
            CODE, frames=tuple(replace(one, function=HOSTILE, source=f"/{BEYOND}") for one in CODE.frames),
            samples=tuple(replace(one, comm=HOSTILE) for one in CODE.samples),
        ),
    )


def killings(count: int) -> str:
    """A log of bare kill lines, over some months and two hosts."""
    names = ("java", "node", "chrome", "postgres", "python3", "a<b \"'", "mysqld")
    lines = []
    for n in range(count):
        month, day = ("Jan", "Feb", "Mar", "Apr")[n * 4 // count], 1 + n * 112 // count % 28
        name, pid = names[n * 5 % 7], 1000 + n
        lines.append(
            f"{month} {day:2} {n % 24:02}:{n % 60:02}:07 web{n % 2 + 1} kernel: Memory cgroup out of memory: Killed "
            f"process {pid} ({name}) total-vm:{900000 + n}kB, anon-rss:{100000 + n * 37 % 70000}kB, file-rss:0kB, "
            f"shmem-rss:0kB, UID:1000 pgtables:{600}kB oom_score_adj:0\n"
        )
    return "".join(lines)


def page(*events: OomEvent) -> str:
    """The page of one event, or of many."""
    stream = io.StringIO()
    writer = output.writer("html", stream)
    for event in events:
        writer.event(event)
    writer.finish(why.pattern(events) if len(events) > 1 else None)
    return stream.getvalue()


def repeated(events: list[OomEvent], times: int) -> str:
    """The page of many events, each made once: what counts is what the browser does with it."""
    writer = HtmlWriter(io.StringIO())
    for event in events:
        writer.event(event)
    return document(writer.pages * times, why.pattern(events * times))

"""Kills of one memory.oom.group whose announcement is not in the log: the first victim's line comes again."""

from __future__ import annotations

import io
from typing import Callable

import pytest
from text_corpus import kernel_text

from oomtrace.model import OomEvent
from oomtrace.text import read

SIZES = "total-vm:{}kB, anon-rss:5674kB, file-rss:206kB, shmem-rss:0kB"
MAIN, TINI, SH, LATE = (268654, "Main"), (235173, "tini"), (41, "sh (1)"), (99, "late")
Kills = tuple[tuple[int, str], ...]


def new(pid: int, comm: str) -> str:
    more = f"{SIZES.format(4 * pid)}, UID:1 pgtables:16kB oom_score_adj:934"
    return f"Memory cgroup out of memory: Killed process {pid} ({comm}) {more}"


def old(pid: int, comm: str) -> str:
    return f"Killed process {pid} ({comm}) {SIZES.format(4 * pid)}"  # 4.19 and 5.0, which have such groups, too


def stamped(lines: list[str], step_s: float = 0.000002) -> str:
    return "".join(f"[  {100 + number * step_s:.6f}] {line}\n" for number, line in enumerate(lines))


def found(log: str) -> list[OomEvent]:
    return list(read(io.BytesIO(log.encode())))


def killed(log: str) -> list[list[int]]:
    return [[kill.pid for kill in event.report.kills] for event in found(log)]


@pytest.mark.parametrize("line", [new, old])
@pytest.mark.parametrize("kills", [
    (MAIN, MAIN), (MAIN, TINI, MAIN), (MAIN, TINI, SH, MAIN), (MAIN, TINI, MAIN, SH), (MAIN, SH, TINI, MAIN, LATE),
])
def test_they_are_one(line: Callable[[int, str], str], kills: Kills) -> None:
    log = stamped([line(*kill) for kill in kills])
    assert killed(log) == [[pid for pid, _ in kills]]
    assert kernel_text(found(log)[0]).splitlines() == [line(*kill) for kill in kills]


def test_by_the_clock_of_the_log_and_with_the_reaper_between() -> None:
    lines = [new(*MAIN), new(*TINI), "oom_reaper: reaped process 235173 (tini), now anon-rss:0kB, file-rss:0kB, "
             "shmem-rss:0kB", new(*MAIN)]
    log = "".join(f"Jan  2 09:08:50 node1 kernel: {line}\n" for line in lines)
    assert killed(log) == [[MAIN[0], TINI[0], MAIN[0]]]
    assert [reap.pid for reap in found(log)[0].report.reaps] == [TINI[0]]


def test_after_a_report() -> None:
    head = "Main invoked oom-killer: gfp_mask=0x100cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=934"
    log = stamped([head, new(*MAIN), new(*TINI), new(*MAIN), head, new(*LATE)])
    assert killed(log) == [[MAIN[0], TINI[0], MAIN[0]], [LATE[0]]]


def test_an_announced_group_may_have_other_lines_between() -> None:
    tasks = "Tasks in /pods/a are going to be killed due to memory.oom.group set"
    log = stamped([new(*MAIN), tasks, new(*MAIN), "eth0: link up", new(*TINI), "eth0: link down", new(*SH)])
    assert killed(log) == [[MAIN[0], MAIN[0], TINI[0], SH[0]]]


@pytest.mark.parametrize("log", [
    stamped([new(*MAIN), new(*TINI), new(*MAIN)], step_s=60),  # pids are used again
    stamped([new(*MAIN), new(*TINI), new(*SH)]),
    "".join(new(*kill) + "\n" for kill in (MAIN, TINI, SH)),
])
def test_they_are_each_their_own(log: str) -> None:
    assert [len(pids) for pids in killed(log)] == [1, 1, 1]


def test_two_machines_in_one_log() -> None:
    lines = [("a", MAIN), ("b", TINI), ("a", MAIN)]
    log = "".join(f"Jan  2 09:08:5{number} {host} kernel: [  100.00000{number}] {new(*kill)}\n"
                  for number, (host, kill) in enumerate(lines))
    assert [len(pids) for pids in killed(log)] == [1, 1, 1]

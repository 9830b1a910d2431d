"""Processes of a reproduction: order, ends, and that none is left. Without cgroups, so that it runs anywhere."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from oomtrace.errors import OomtraceError
from oomtrace.repro import cgroups, parse, stage
from oomtrace.repro.journal import UndoJournal
from oomtrace.repro.spec import Forked
from oomtrace.repro.workloads.bare import elf
from oomtrace.repro.workloads.many import program

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/oom_score_adj"), reason="needs Linux")
NOWHERE = cgroups.Hierarchy(2, {name: Path("/nonexistent") for name in cgroups.CONTROLLERS})


class Hurried(stage.Stage):
    """Its time is over a moment after all are ready, which may take long on a busy machine."""

    def _wait(self, what: str) -> bool:
        if not what.endswith("to be ready"):
            self._deadline = min(self._deadline, time.monotonic() + 0.2)
        return super()._wait(what)


def run(processes: str, more: str = "", how: type[stage.Stage] = stage.Stage) -> stage.StageResult:
    """Stage a scenario with these processes. Their uids and adj are those of the tests."""
    adj = Path("/proc/self/oom_score_adj").read_text().strip()
    text = f"about: a\n{more}\nprocesses:\n" + "".join(
        f"  - {{oom_score_adj: {adj}, {line}}}\n" for line in processes.strip().splitlines()
    )
    with UndoJournal() as journal:
        return how(parse.parse(text, "x.yaml", "x"), NOWHERE, journal).run()


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


def test_ends_are_judged() -> None:
    result = run(
        "name: right, do: [exit: 3], ends: 3\n"
        "name: wrong, do: [exit: 4], ends: 3\n"
        "name: alive, do: [exit: 0], ends: killed\n"
        "name: any, do: [exit: 9], ends: any\n"
        "name: unasked, do: [ready, exit: 5]\n"
    )
    words = [problem.split(" ", 2)[0] + " " + problem.split(" ", 2)[2] for problem in sorted(result.problems)]
    assert words[0] == "alive ended with status 0 instead of being killed"
    assert words[-1] == "wrong ended with status 4 instead of status 3"
    assert not any(word.startswith(("right", "any")) for word in words)


def test_the_next_one_starts_when_the_one_before_it_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    awake = iter([True, True, False])
    fork = stage.child.fork

    def noted(process: Forked, *others: Any) -> tuple[int, int]:
        order.append(process.name)
        return fork(process, *others)

    monkeypatch.setattr(stage.child, "fork", noted)
    monkeypatch.setattr(stage, "_is_awake", lambda pid: [order.append("is it awake?"), next(awake)][1])
    run("name: first, do: [ready, sleep]\nname: second, do: [ready, exit: 0]\nname: third, do: [exit: 0], ends: 0\n")
    assert order == ["first", "is it awake?", "is it awake?", "is it awake?", "second", "third"]


def test_who_is_awake() -> None:
    assert stage._is_awake(os.getpid())
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not stage._is_awake(pid)
    os.waitpid(pid, 0)
    assert not stage._is_awake(pid)


def test_error_number_is_the_status() -> None:
    assert run("name: p, do: [write: {file: memory.max, value: 1}], ends: 2").problems == []  # ENOENT


def test_comm_and_order() -> None:
    result = run("name: first, do: [anon: 1M, ready, sleep]\nname: 'second {n}', count: 2, do: [exit: 0], ends: 0")
    assert list(result.pids) == ["first", "second 0", "second 1"]
    assert result.problems == []


def test_started_again() -> None:
    result = run("name: again, times: 4, do: [exit: 0], ends: 0")
    assert len(result.pids["again"]) == 4 and result.problems == []


def test_timeout_and_nothing_left() -> None:
    start = time.monotonic()
    result = run("name: p, do: [sleep], ends: 0\nname: q, do: [sleep]", "timeout: 300s", Hurried)
    assert result.problems == ["no end after 300 s: waiting for the end of p"]
    assert time.monotonic() - start < 150
    for pids in result.pids.values():
        for pid in pids:
            os.waitpid(pid, 0)
        assert not alive(pids)


def test_lasts_until_there_is_enough() -> None:
    result = run("name: p, do: [sleep]", "timeout: 300s", Hurried)
    assert result.problems == ["no end after 300 s: waiting for what is expected"]


def test_never_ready() -> None:
    result = run("name: p, do: [sleep: 100, ready]", "timeout: 200ms")
    assert result.problems == ["no end after 0.2 s: waiting for p to be ready"]


def test_cgroup_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    hierarchy = cgroups.Hierarchy(1, {"memory": tmp_path / "file"})
    scenario = parse.parse("about: a\ncgroups: {/a: {}}\nprocesses: [{name: p, do: [sleep]}]", "x", "x")
    with UndoJournal() as journal, pytest.raises(OomtraceError, match="cannot make the cgroup .*/a: Not a directory"):
        stage.Stage(scenario, hierarchy, journal).run()


def _stage_until_killed(folder: Path, pids: Path) -> None:
    stage.SYSCTLS = folder

    def told() -> None:
        pass

    class Telling(stage.Stage):
        def _start(self, *arguments: object, **more: object) -> None:
            super()._start(*arguments, **more)  # type: ignore[arg-type]
            pids.write_text(str(self.result.pids["p"][0]))

    adj = Path("/proc/self/oom_score_adj").read_text().strip()
    text = f"about: a\nsysctl: {{setting: 1}}\nprocesses: [{{name: p, oom_score_adj: {adj}, do: [sleep], ends: 0}}]"
    Telling(parse.parse(text, "x", "x"), NOWHERE, UndoJournal()).run((), told)


def test_killed_stage_leaves_nothing(tmp_path: Path) -> None:
    setting, pids = tmp_path / "setting", tmp_path / "pids"
    setting.write_text("0")
    pid = os.fork()
    if not pid:
        try:
            _stage_until_killed(tmp_path, pids)
        finally:
            os._exit(1)  # this is no second run of the tests
    deadline = time.monotonic() + 60
    while not (pids.exists() and pids.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert setting.read_text() == "1"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while (alive([int(pids.read_text())]) or setting.read_text() != "0") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert setting.read_text() == "0"
    assert not alive([int(pids.read_text())])


@pytest.mark.skipif(os.uname().machine not in ("x86_64", "aarch64"), reason="machine code for these")
def test_sleepers_program(tmp_path: Path) -> None:
    """Forks as many as asked, says so, and all of them sleep."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    path = tmp_path / "sleepers"
    path.write_bytes(elf(program(20, write)))
    path.chmod(0o755)
    pid = os.fork()
    if not pid:
        try:
            os.setpgid(0, 0)
            os.execv(path, [str(path)])
        finally:
            os._exit(1)
    os.close(write)
    assert os.read(read, 1) == b"\x7f"
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if children.exists():
        assert len(children.read_text().split()) == 20
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

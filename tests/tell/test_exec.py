"""Commands that are run for events: with what, within which limits, and what becomes of those that misbehave."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Callable

import pytest

from oomtrace.errors import OomtraceError
from oomtrace.model import Kill, Memcg
from oomtrace.tell import exec as channel
from oomtrace.tell.common import beside, runner
from oomtrace.tell.common.runner import RunLimits
from tests.events import made

EVENT = made(kind="memcg", memcg=Memcg(path="/shop/orders"), kills=(Kill(7, "hog\n\x1b[31m"),),
             victim_memcg="/shop/orders")
SHORT = RunLimits(seconds=1.0)


def _script(folder: Path, text: str) -> "list[str]":
    path = folder / "hook.sh"
    path.write_text(text)
    return ["sh", str(path)]


def _waits(folder: Path) -> str:
    """For a script that does not end before the test lets it go."""
    return f"while [ ! -e {folder}/go ]; do sleep 0.02; done"


def _until(true: "Callable[[], bool]") -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_event_and_its_essentials_reach_the_command(tmp_path: Path) -> None:
    words = _script(tmp_path, f"cat >{tmp_path}/in; env >{tmp_path}/env; echo noise")
    told = channel.Exec(words)
    told.tell(EVENT, tmp_path / "a.oom")
    told.close()
    document = json.loads((tmp_path / "in").read_text())
    assert document["schema"].startswith("oomtrace/") and document["event"]["report"]["kills"][0]["pid"] == 7
    environment = (tmp_path / "env").read_text().splitlines()
    assert "OOMTRACE_MEMCG=/shop/orders" in environment and f"OOMTRACE_CAPTURE={tmp_path}/a.oom" in environment
    assert "OOMTRACE_VICTIM_PID=7" in environment


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be exempt from the OOM killer")
def test_a_command_is_an_ordinary_process_whatever_the_service_is(tmp_path: Path) -> None:
    before, nice = Path("/proc/self/oom_score_adj").read_text(), os.getpriority(os.PRIO_PROCESS, 0)
    try:
        Path("/proc/self/oom_score_adj").write_text("-1000")
    except PermissionError:
        pytest.skip("this sandbox has no CAP_SYS_RESOURCE")
    try:
        told = channel.Exec(_script(tmp_path, f"cat /proc/self/oom_score_adj >{tmp_path}/adj; nice >{tmp_path}/nice"))
    finally:
        Path("/proc/self/oom_score_adj").write_text(before)
    told.tell(EVENT, None)
    told.close()
    assert (tmp_path / "adj").read_text() == "0\n" and int((tmp_path / "nice").read_text()) >= max(0, nice)


def test_the_end_comes_at_once_when_nothing_waits(tmp_path: Path) -> None:
    told = channel.Exec(_script(tmp_path, f"echo >{tmp_path}/done"))
    told.tell(EVENT, None)
    _until(lambda: (tmp_path / "done").exists() and not beside.children(told.beside.pid))
    begin = time.monotonic()
    told.close()
    assert time.monotonic() - begin < 20, "and not as long as a command may take"


def test_one_at_a_time_in_order(tmp_path: Path) -> None:
    words = _script(tmp_path, f"echo begin >>{tmp_path}/log; {_waits(tmp_path)}; echo end >>{tmp_path}/log")
    told = channel.Exec(words)
    for _ in range(3):
        told.tell(EVENT, None)  # the trace does not wait for them
    _until(lambda: (tmp_path / "log").exists())
    (tmp_path / "go").touch()
    told.close()
    assert (tmp_path / "log").read_text().split() == ["begin", "end"] * 3


def test_a_failure_is_told_and_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told = channel.Exec(_script(tmp_path, "echo 'no route \x1b[31m' >&2; exit 3"))
    told.tell(EVENT, None)
    told.tell(EVENT, None)
    with pytest.raises(OSError, match="2 of 2 failed"):
        told.close()
    said = capfd.readouterr().err
    assert said.count("failed with status 3: no route") == 1 and "\x1b" not in said


def test_a_command_that_hangs_is_killed_with_all_that_it_started(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is over once it has started all: that may take long on a busy machine."""
    pid_file = tmp_path / "pid"

    def clock() -> float:
        return time.monotonic() + (3600 if pid_file.exists() and pid_file.read_text() else 0)

    monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=clock, sleep=time.sleep))
    told = channel.Exec(_script(tmp_path, f"setsid sh -c 'echo $$ >{pid_file}; exec sleep 1000' &\n"
                                          f"while [ ! -s {pid_file} ]; do sleep 0.02; done; echo >&2; sleep 1000"))
    told.tell(EVENT, None)
    with pytest.raises(OSError, match="1 of 1 failed"):
        told.close()
    assert "took longer than 30 s" in capfd.readouterr().err
    pid = int(pid_file.read_text())
    _until(lambda: not os.path.exists(f"/proc/{pid}"))


def test_what_a_command_leaves_behind_is_killed(tmp_path: Path) -> None:
    told = channel.Exec(_script(tmp_path, f"setsid sleep 1000 & echo $! >{tmp_path}/pid"))
    told.tell(EVENT, None)
    told.close()
    pid = int((tmp_path / "pid").read_text())
    _until(lambda: not os.path.exists(f"/proc/{pid}"))


def test_a_command_that_floods_is_not_listened_to(tmp_path: Path) -> None:
    told = channel.Exec(_script(tmp_path, "exec yes >&2"), RunLimits(seconds=300.0))
    begin = time.monotonic()
    told.tell(EVENT, None)
    with pytest.raises(OSError, match="1 of 1 failed"):
        told.close()
    assert time.monotonic() - begin < 60


def test_memory_is_limited(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "hook.py"
    script.write_text("bytearray(1 << 29)")
    told = channel.Exec(["python3", str(script)], RunLimits(memory_bytes=256 << 20))
    told.tell(EVENT, None)
    with pytest.raises(OSError, match="1 of 1"):
        told.close()
    assert "MemoryError" in capfd.readouterr().err


def test_a_full_queue_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "QUEUE", 2)
    told = channel.Exec(_script(tmp_path, _waits(tmp_path)))
    dropped = 0
    for _ in range(4):
        try:
            told.tell(EVENT, None)
        except OSError:
            dropped += 1
    assert dropped == 2
    (tmp_path / "go").touch()
    with pytest.raises(OSError, match="2 dropped"):
        told.close()


def test_the_end_waits_no_longer_than_one_command_may_take(tmp_path: Path) -> None:
    told = channel.Exec(_script(tmp_path, "sleep 0.7"), SHORT)
    for _ in range(60):
        told.tell(EVENT, None)
    begin = time.monotonic()
    with pytest.raises(OSError, match="dropped"):
        told.close()
    assert time.monotonic() - begin < 20, "and not 60 times as long"


def test_a_runner_that_was_killed_does_not_end_the_trace(tmp_path: Path) -> None:
    told = channel.Exec(_script(tmp_path, "true"))
    os.kill(told.beside.pid, 9)
    _until(lambda: Path(f"/proc/{told.beside.pid}/stat").read_text().split(") ")[1].startswith("Z"))
    with pytest.raises(OSError):
        told.tell(EVENT, None)
    told.close()


@pytest.mark.parametrize("command", ["", "no-such-command-at-all x", "'"])
def test_no_command_is_refused_before_the_trace(command: str) -> None:
    with pytest.raises(OomtraceError, match="--exec"):
        channel.opened(command)


def test_there_is_no_shell(tmp_path: Path) -> None:
    told = channel.opened(f"touch '{tmp_path}/a;b' {tmp_path}/$HOME")
    told.tell(EVENT, None)
    told.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["$HOME", "a;b"]

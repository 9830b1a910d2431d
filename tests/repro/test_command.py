"""``oomtrace run``: the command's status and signals. With a make-believe cgroup, so that it runs anywhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from oomtrace.cli import run
from oomtrace.errors import OomtraceError
from oomtrace.model import Kill, Memcg, Trigger
from oomtrace.repro import cgroups
from oomtrace.repro.command import Command
from oomtrace.repro.journal import UndoJournal
from oomtrace.repro.signals import Signals
from tests.events import made

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


def in_cgroup(folder: Path, words: list[str]) -> int:
    """Run words as a command whose cgroup is a folder with ordinary files."""
    hierarchy = cgroups.Hierarchy(1, {"memory": folder})
    (folder / "x").mkdir()
    (folder / "x/cgroup.procs").write_text("")
    quiet, _ = os.pipe()
    with UndoJournal() as journal:
        status = Command(words, "/x", hierarchy, journal).run(quiet, lambda: True)
    assert int((folder / "x/cgroup.procs").read_text()) > 0
    return status


@pytest.mark.parametrize(
    "words, status",
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -KILL $$"], 137),
        (["/nonexistent/command"], 127),
        (["/etc/passwd"], 126),
    ],
)
def test_status(tmp_path: Path, words: list[str], status: int) -> None:
    assert in_cgroup(tmp_path, words) == status


def test_cgroup_is_made_with_its_limits_and_removed(tmp_path: Path) -> None:
    hierarchy = cgroups.Hierarchy(1, {"memory": tmp_path})
    with UndoJournal() as journal:
        command = Command(["true"], "/a/b", hierarchy, journal)
        command.make_cgroup({"memory.max": "1000", "memory.swap.max": "0"})
        assert (tmp_path / "a/b/memory.memsw.limit_in_bytes").read_text() == "1000"
        with pytest.raises(OomtraceError, match="exists"):
            command.make_cgroup({})
        for file in (tmp_path / "a/b").iterdir():  # a cgroup's files go with it
            file.unlink()
    assert not (tmp_path / "a").exists()


def test_signals_tell_where_they_come_from() -> None:
    signals = Signals([signal.SIGUSR1])
    try:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)  # tests before this one may have left threads
        assert signals.read() == [(signal.SIGUSR1, False)]
        assert signals.read() == []
    finally:
        signals.close()


FORWARD = """
import os, sys
from pathlib import Path
from oomtrace.repro import cgroups
from oomtrace.repro.command import Command
from oomtrace.repro.journal import UndoJournal
folder = Path(sys.argv[1])
(folder / "x").mkdir()
with UndoJournal() as journal:
    hierarchy = cgroups.Hierarchy(1, {"memory": folder})
    command = ["sh", "-c", "trap 'exit 33' TERM; echo ready; while :; do sleep 0.05; done"]
    sys.exit(Command(command, "/x", hierarchy, journal).run(os.pipe()[0], lambda: True))
"""


def test_signals_are_forwarded(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", FORWARD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 33


KILLED = FORWARD.replace("sys.exit(", 'journal.note("restore", str(folder / "setting"), "before")\n    sys.exit(')


def test_killed_run_is_cleaned_up(tmp_path: Path) -> None:
    (tmp_path / "setting").write_text("changed")
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.kill()
        os.kill(int((tmp_path / "x/cgroup.procs").read_text()), signal.SIGKILL)  # no real cgroup that does it
    deadline = time.monotonic() + 60
    while (tmp_path / "setting").read_text() != "before" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (tmp_path / "setting").read_text() == "before"


def test_which_events_are_the_commands() -> None:
    assert run.concerns(made(memcg=Memcg(path="/x/below")), "/x")
    assert run.concerns(made(kind="global", victim_memcg="/x"), "/x")
    assert run.concerns(made(kind="global", trigger=Trigger(memcg="/x")), "/x")
    assert not run.concerns(made(memcg=Memcg(path="/xy")), "/x")


def test_expectations() -> None:
    class Traced:
        event = made(kills=(Kill(1, "hog"),))

    events = [Traced()]
    verdicts = {
        text: [bool(run._verdict(text)(found, 0)) for found in (events, [])]  # type: ignore[misc,arg-type]
        for text in ("oom", "no-oom", "victim=hog", "victim=cat")
    }
    assert verdicts == {
        "oom": [False, True], "no-oom": [True, False], "victim=hog": [False, True], "victim=cat": [True, True],
    }
    with pytest.raises(OomtraceError, match="expected oom"):
        run._verdict("maybe")


@pytest.mark.parametrize("callers, commands", [("-1000\n", "0"), ("-500\n", "-500\n"), ("0\n", "0\n")])
def test_a_command_can_be_oom_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, callers: str, commands: str
) -> None:
    """-1000 is inherited. A command with it would loop in a full cgroup: there is nobody to kill."""
    adj = tmp_path / "oom_score_adj"
    adj.write_text(callers)
    monkeypatch.setattr("oomtrace.repro.command._ADJ", adj)
    assert in_cgroup(tmp_path, ["true"]) == 0
    assert adj.read_text() == commands

"""What is undone, and that nothing needs to be alive for it but the keeper."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Callable

from oomtrace.repro.journal import UndoJournal


def until(condition: Callable[[], bool]) -> bool:
    """Whether it comes true: who does it may have to wait for a CPU."""
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_undone_last_first(tmp_path: Path) -> None:
    setting, folder = tmp_path / "setting", tmp_path / "folder"
    setting.write_text("second")
    folder.mkdir()
    (folder / "file").write_text("")
    journal = UndoJournal()
    journal.note("restore", str(setting), "first")
    journal.note("restore", str(setting), "between")
    journal.note("folder", str(folder))
    assert journal.close() == []
    assert setting.read_text() == "first" and not folder.exists()
    assert journal.close() == []


def test_says_what_could_not_be_undone(tmp_path: Path) -> None:
    with UndoJournal() as journal:
        journal.note("restore", str(tmp_path / "gone/setting"), "x\n")
        (problem,) = journal.close()
    assert problem.endswith("could not be set back to x: No such file or directory")


def test_undone_when_the_owner_is_killed(tmp_path: Path) -> None:
    setting = tmp_path / "setting"
    setting.write_text("changed")
    pid = os.fork()
    if not pid:
        try:
            journal = UndoJournal()
            journal.note("restore", str(setting), "before")
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)  # this is no second run of the tests
    os.waitpid(pid, 0)
    assert until(lambda: setting.read_text() == "before")


def test_undone_when_the_keeper_was_killed(tmp_path: Path) -> None:
    setting = tmp_path / "setting"
    setting.write_text("changed")
    journal = UndoJournal()
    os.kill(journal._keeper, signal.SIGKILL)
    journal.note("restore", str(setting), "before")
    assert journal.close() == []
    assert setting.read_text() == "before"


def test_process_group_is_killed() -> None:
    pid = os.fork()
    if not pid:
        try:
            os.setpgid(0, 0)
            time.sleep(600)
        finally:
            os._exit(0)
    assert until(lambda: os.getpgid(pid) == pid)
    with UndoJournal() as journal:
        journal.note("kill", pid)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL


def test_tells_at_the_end_what_could_not_be_undone(tmp_path: Path) -> None:
    told: list[str] = []
    with UndoJournal(told.append) as journal:
        journal.note("restore", str(tmp_path / "gone/setting"), "x")
    assert told == [f"{tmp_path}/gone/setting could not be set back to x: No such file or directory"]

"""Undoing what a reproduction did to the machine, whatever ends it.

Each change is told, before it is made, to a small process of its own, the keeper. When the pipe to it closes, be it
that the run is over or that it was killed, the keeper undoes them, last first. There is no other clean-up.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Optional

from . import cgroups

_PR_SET_NAME = 15
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def _remove_cgroup(folder: str) -> Optional[str]:
    return None if cgroups.remove(Path(folder)) else f"{folder} could not be removed: it still has processes"


def _restore(path: str, value: str) -> Optional[str]:
    try:
        Path(path).write_text(value)
    except OSError as error:
        return f"{path} could not be set back to {value.strip()}: {error.strerror}"
    return None


def _kill_group(group: int) -> Optional[str]:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    return None


def _remove_folder(path: str) -> Optional[str]:
    shutil.rmtree(path, ignore_errors=True)
    return None


_UNDO: dict[str, Callable[..., Optional[str]]] = {
    "cgroup": _remove_cgroup,
    "restore": _restore,
    "kill": _kill_group,
    "folder": _remove_folder,
}


def undo(entries: list[list[Any]]) -> list[str]:
    """Undo the entries, last first; returns what could not be undone, in words."""
    return [problem for name, *arguments in reversed(entries) if (problem := _UNDO[name](*arguments))]


class UndoJournal:
    """The changes made, and the keeper who will undo them. As a context manager it has them undone at the end; ``tell``
    then hears what could not be."""

    def __init__(self, tell: Callable[[str], None] = lambda _: None) -> None:
        self._tell = tell
        read, self._write = os.pipe()
        self._answer, answer = os.pipe()
        self._entries: list[list[Any]] = []
        self._keeper = os.fork()
        if not self._keeper:
            os.close(self._write)
            os.close(self._answer)
            _keep(read, answer)
        os.close(read)
        os.close(answer)

    def __enter__(self) -> "UndoJournal":
        return self

    def __exit__(self, *_: object) -> None:
        for problem in self.close():
            self._tell(problem)

    def note(self, kind: str, *arguments: Any) -> None:
        """A change of a kind is about to be made: ``cgroup`` FOLDER, ``restore`` FILE VALUE, ``kill`` PROCESS_GROUP,
        ``folder`` PATH."""
        self._entries.append([kind, *arguments])
        with suppress(BrokenPipeError):  # the keeper was killed: close() does its work
            os.write(self._write, json.dumps(self._entries[-1]).encode() + b"\n")

    def close(self) -> list[str]:
        """Have everything undone, and wait for it; returns what could not be."""
        if not self._keeper:
            return []
        os.close(self._write)
        with os.fdopen(self._answer, "rb") as answer:
            told = answer.read()
        _, status = os.waitpid(self._keeper, 0)
        self._keeper = 0
        if status == 0:
            problems: list[str] = json.loads(told)
            return problems
        return undo(self._entries)


def _keep(read: int, answer: int) -> None:
    """The keeper's life: it hears of changes until the pipe closes, undoes them, and ends."""
    try:
        os.setsid()
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        ctypes.CDLL(None).prctl(_PR_SET_NAME, b"oomtrace-keeper", 0, 0, 0)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("-1000")
        with os.fdopen(read, "rb") as lines:
            problems = undo([json.loads(line) for line in lines])
        os.write(answer, json.dumps(problems).encode())
        os._exit(0)
    except BaseException:
        os._exit(1)

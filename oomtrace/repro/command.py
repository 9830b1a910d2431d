"""A command in a memory cgroup of its own, with its terminal, its streams and the signals meant for it."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from pathlib import Path
from typing import Callable, Mapping, Sequence

from oomtrace.errors import OomtraceError

from . import cgroups
from .journal import Journal
from .signals import Signals

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_ADJ = Path("/proc/self/oom_score_adj")


class Command:
    """One command. The cgroup is removed by the journal, with whatever is left in it."""

    def __init__(self, words: Sequence[str], path: str, hierarchy: cgroups.Hierarchy, journal: Journal) -> None:
        self._words = words
        self._path = path
        self._hierarchy = hierarchy
        self._journal = journal
        self._folder = hierarchy.folder("memory", path)

    def make_cgroup(self, files: Mapping[str, str]) -> None:
        """Make the cgroup and write its limits. Raises OomtraceError where it is there already."""
        root = self._hierarchy.roots["memory"]
        if self._folder.exists():
            raise OomtraceError(f"the cgroup {self._path} exists", "another --cgroup NAME, or rmdir it")
        try:
            for folder in cgroups.ancestors(self._folder, root):
                if not folder.exists():
                    self._journal.note("cgroup", str(folder))
                    folder.mkdir()
            if self._hierarchy.version == 2:
                cgroups.enable(root, self._folder, ["memory"])
            for knob, value in files.items():
                written = cgroups.value_for(self._hierarchy, knob, value, files)
                self._hierarchy.file(self._path, knob).write_text(written)
        except OSError as error:
            raise OomtraceError(f"cannot make the cgroup {self._folder}: {error.strerror}: {error.filename}") from error

    def run(self, stream: int, receive: Callable[[], object]) -> int:
        """Run it to its end; returns its exit status, 128 + N for signal N. ``receive`` is called while ``stream`` can
        be read."""
        adj = _ADJ.read_text()
        with suppress(OSError):
            _ADJ.write_text("-1000")  # an OOM of the whole machine is for the command
        signals = Signals(_FORWARDED)
        try:
            pid = os.fork()
            if not pid:
                self._become(signals, adj)
            return _attend(pid, signals, stream, receive)
        finally:
            signals.close()

    def _become(self, signals: Signals, adj: str) -> None:
        status = NOT_EXECUTABLE
        try:
            with suppress(OSError):
                _ADJ.write_text(adj)
            (self._folder / "cgroup.procs").write_text(str(os.getpid()))
            for number in _FORWARDED:
                signal.signal(number, signal.SIG_DFL)
            signals.restore()
            os.execvp(self._words[0], list(self._words))
        except FileNotFoundError:
            status = NOT_FOUND
            os.write(2, f"oomtrace: {self._words[0]}: command not found\n".encode(errors="replace"))
        except OSError as error:
            os.write(2, f"oomtrace: cannot run {self._words[0]}: {error.strerror}\n".encode(errors="replace"))
        finally:
            os._exit(status)

    def kills(self) -> int:
        """Processes of the cgroup that the OOM killer has killed, by the cgroup's own count."""
        name = "memory.events" if self._hierarchy.version == 2 else "memory.oom_control"
        with suppress(OSError):
            for line in (self._folder / name).read_text().splitlines():
                word, _, count = line.partition(" ")
                if word == "oom_kill":
                    return int(count)
        return 0


def _attend(pid: int, signals: Signals, stream: int, receive: Callable[[], object]) -> int:
    """Forward signals and read the stream until the command has ended."""
    ended = os.pidfd_open(pid)  # not SIGCHLD: any other thread of the process would take it
    try:
        while True:
            readable, _, _ = select.select([signals.descriptor, ended, stream], [], [])
            if stream in readable and not receive():
                raise OomtraceError("the trace has ended before the command")
            if ended in readable:
                _, status = os.waitpid(pid, 0)
                return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            for come in signals.read():
                if not come.from_terminal:
                    os.kill(pid, come.number)
    finally:
        os.close(ended)

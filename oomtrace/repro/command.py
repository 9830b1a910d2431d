"""A command in a memory cgroup of its own, with its terminal, its streams and the signals meant for it."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Callable, Optional

from oomtrace.errors import OomtraceError

from . import cgroups
from .journal import UndoJournal
from .signals import Signals

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_AGAIN_S = 0.1
_ADJ = Path("/proc/self/oom_score_adj")
_UNKILLABLE, _ORDINARY = "-1000", "0"  # OOM_SCORE_ADJ_MIN, include/uapi/linux/oom.h


def exempt() -> bool:
    """Whether a command would inherit an oom_score_adj with which it cannot be OOM-killed: in a full cgroup it would
    try again for ever. So it gets 0."""
    return _ADJ.read_text().strip() == _UNKILLABLE


class Command:
    """One command. The cgroup is removed by the journal, with whatever is left in it."""

    def __init__(
        self,
        words: Sequence[str],
        path: str,
        hierarchy: cgroups.Hierarchy,
        journal: UndoJournal,
        unheard: Sequence[int] = (),
    ) -> None:
        """``unheard``: which of its standard descriptors (0, 1, 2) are /dev/null."""
        self._words = words
        self._unheard = unheard
        self.pid = 0  # once it runs
        self.stopped = False  # by ``run``, since its time was over
        self.signalled: Optional[int] = None  # the last signal that came meanwhile
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

    @property
    def cgroup_id(self) -> int:
        """What the kernel knows its memory cgroup by (kernfs_node.id, since 5.5 the inode's number)."""
        return self._folder.stat().st_ino

    def run(self, stream: int, receive: Callable[[], object], bound_s: Optional[float] = None) -> int:
        """Run it to its end; returns its exit status, 128 + N for signal N. ``receive`` is called while ``stream`` can
        be read. After ``bound_s`` seconds all that is in its cgroup is killed."""
        adj = _ORDINARY if exempt() else _ADJ.read_text()
        with suppress(OSError):
            _ADJ.write_text("-1000")  # an OOM of the whole machine is for the command
        signals = Signals(_FORWARDED)
        try:
            pid = self.pid = os.fork()
            if not pid:
                self._become(signals, adj)
            return self._attend(pid, signals, stream, receive, bound_s)
        finally:
            signals.close()

    def _become(self, signals: Signals, adj: str) -> None:
        status = NOT_EXECUTABLE
        try:
            with suppress(OSError):
                _ADJ.write_text(adj)
            (self._folder / "cgroup.procs").write_text(str(os.getpid()))
            for descriptor in self._unheard:
                os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
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

    def _attend(
        self, pid: int, signals: Signals, stream: int, receive: Callable[[], object], bound_s: Optional[float]
    ) -> int:
        """Forward signals and read the stream until the command has ended."""
        ended = os.pidfd_open(pid)  # not SIGCHLD: any other thread of the process would take it
        deadline = None if bound_s is None else time.monotonic() + bound_s
        try:
            while True:
                left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
                readable, _, _ = select.select([signals.descriptor, ended, stream], [], [], left_s)
                if not readable:
                    self._stop()
                    deadline = time.monotonic() + _AGAIN_S  # what it forked meanwhile is killed, too
                if stream in readable and not receive():
                    raise OomtraceError("the trace has ended before the command")
                if ended in readable:
                    _, status = os.waitpid(pid, 0)
                    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                for come in signals.read():
                    self.signalled = come.number
                    if not come.from_terminal:
                        os.kill(pid, come.number)
        finally:
            os.close(ended)

    def _stop(self) -> None:
        self.stopped = True
        for pid in cgroups.processes(self._folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kills(self) -> int:
        """Processes of the cgroup that the OOM killer has killed, by the cgroup's own count."""
        name = "memory.events" if self._hierarchy.version == 2 else "memory.oom_control"
        with suppress(OSError):
            for line in (self._folder / name).read_text().splitlines():
                word, _, count = line.partition(" ")
                if word == "oom_kill":
                    return int(count)
        return 0

    def waited_s(self) -> Optional[float]:
        """How long some task of the cgroup has waited for memory (PSI); None where the kernel does not tell."""
        with suppress(OSError, ValueError):
            for line in (self._folder / "memory.pressure").read_text().splitlines():
                if line.startswith("some "):
                    return int(line.rpartition("total=")[2]) / 1e6
        return None

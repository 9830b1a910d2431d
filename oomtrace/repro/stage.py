"""Makes a reproduction happen: cgroups and sysctls, then the processes in their order, then waiting for their ends."""

from __future__ import annotations

import os
import select
import signal
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Callable, Optional

from oomtrace.errors import OomtraceError

from . import cgroups, child
from .journal import UndoJournal
from .spec import ANY_END, FAILED, KILLED, Forked, Scenario
from .workloads import BROKEN, Self, registry

SYSCTLS = Path("/proc/sys")
_AWAKE_SECONDS = 0.005


@dataclass
class StageResult:
    """How it went. ``problems`` says in words what did not go as described; ``pids`` by process name."""

    problems: list[str] = field(default_factory=list)
    pids: dict[str, list[int]] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class _Running:
    """A process that has been started and has not ended."""

    process: Forked
    name: str
    number: int
    ready: Optional[int]  # the pipe, until the process has said so
    run: int = 1


class Stage:
    """One run of a scenario. ``poll`` is called with a time in seconds whenever there is nothing to do but wait."""

    def __init__(self, scenario: Scenario, hierarchy: cgroups.Hierarchy, journal: UndoJournal) -> None:
        self._scenario = scenario
        self._hierarchy = hierarchy
        self._journal = journal
        self._running: dict[int, _Running] = {}
        self._group = 0
        self._deadline = time.monotonic() + scenario.timeout_seconds
        self._wake: tuple[int, int] = (-1, -1)
        self.result = StageResult()

    def run(
        self,
        streams: Sequence[int] = (),
        receive: Callable[[], None] = lambda: None,
        enough: Callable[[], bool] = lambda: False,
    ) -> StageResult:
        """All of it, until the processes that are waited for have ended; where none is, until there is ``enough``.

        The journal's keeper ends the processes that are left. ``receive`` is called whenever one of the descriptors
        ``streams`` can be read.
        """
        start = time.monotonic()
        registry()  # no import after the fork: what is read then is charged to the memcg
        with ExitStack() as stack:
            self._wake = _child_wakeup(stack)
            self._others = list(streams)
            self._receive = receive
            self._folder = tempfile.mkdtemp(prefix="oomtrace-repro-")
            self._journal.note("folder", self._folder)
            os.chmod(self._folder, 0o777)
            self._group = child.anchor()
            self._journal.note("kill", self._group)
            self._make_cgroups()
            self._set_sysctls()
            self._start_all()
            if any(process.ends is not None for process in self._scenario.processes):
                while self._awaited() and self._wait("the end of " + ", ".join(self._awaited())):
                    pass
            else:
                while not self.result.problems and not enough() and self._wait("what is expected"):
                    pass
            os.kill(self._group, signal.SIGKILL)  # the group remains as long as one of its members
            os.waitpid(self._group, 0)
        self.result.seconds = time.monotonic() - start
        return self.result

    def _make_cgroups(self) -> None:
        for cgroup in self._scenario.cgroups:
            controllers = self._controllers(cgroup.path)
            for controller in controllers:
                root = self._hierarchy.roots[controller]
                folder = self._hierarchy.folder(controller, cgroup.path)
                try:
                    self._make_cgroup(root, folder, controller, controllers)
                except OSError as error:
                    what = f"{error.strerror}: {error.filename}"
                    raise OomtraceError(f"cannot make the cgroup {folder}: {what}") from error
            for knob, value in cgroup.files.items():
                self._write_knob(cgroup.path, knob, cgroups.value_for(self._hierarchy, knob, value, cgroup.files))

    def _make_cgroup(self, root: Path, folder: Path, controller: str, controllers: Sequence[str]) -> None:
        for at in cgroups.ancestors(folder, root):
            if not at.exists():
                self._journal.note("cgroup", str(at))
                at.mkdir()
        if self._hierarchy.version == 2:
            cgroups.enable(root, folder, controllers)
        elif controller == "cpuset":
            cgroups.inherit_cpuset(root, folder)

    def _write_knob(self, path: str, knob: str, value: str) -> None:
        file = self._hierarchy.file(path, knob)
        if knob == "io.max":
            # Taken back before the end: what is still to be written must not take longer than the clean-up waits.
            self._journal.note("restore", str(file), "{disk} rbps=max wbps=max".replace("{disk}", self._disk()))
            value = value.replace("{disk}", self._disk())
        try:
            file.write_text(value)
        except OSError as error:
            raise OomtraceError(f"cannot write {value} to {file}: {error.strerror}") from error

    def _disk(self) -> str:
        """Major and minor number of the disk that the scenario's files are on."""
        number = os.stat(self._folder).st_dev
        block = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()
        return (block.parent if (block / "partition").exists() else block).joinpath("dev").read_text().strip()

    def _controllers(self, path: str) -> list[str]:
        """Those that serve a cgroup: memory, and what it or one above or below it sets."""
        related = [
            knob
            for cgroup in self._scenario.cgroups
            if f"{path}/".startswith(f"{cgroup.path}/") or f"{cgroup.path}/".startswith(f"{path}/")
            for knob in cgroup.files
        ]
        used = {cgroups.KNOBS[knob].controller for knob in related} | {"memory"}
        return [name for name in cgroups.CONTROLLERS if name in used and name in self._hierarchy.roots]

    def _set_sysctls(self) -> None:
        for name, value in self._scenario.sysctls.items():
            file = SYSCTLS / name.replace(".", "/")
            try:
                self._journal.note("restore", str(file), file.read_text())
                file.write_text(value)
            except OSError as error:
                raise OomtraceError(f"cannot set the sysctl {name} to {value}: {error.strerror}") from error

    def _start_all(self) -> None:
        for process in self._scenario.processes:
            self._pause(process.delay_seconds)
            for number in range(process.count):
                self._start(process, number)
            names = f"{process.name} to be ready"
            while any(one.ready is not None and one.process is process for one in self._running.values()):
                if not self._wait(names):
                    return
            if ("ready", "sleep") in _pairs(step.kind for step in process.steps):
                for pid in [pid for pid, one in self._running.items() if one.process is process]:
                    self._let_sleep(pid)

    def _let_sleep(self, pid: int) -> None:
        """Wait until a process that has said it is ready sleeps, or has ended. On its way there it may write to a page
        that it shares with us, and for the copy it would be the one who asks for the last page of its memcg."""
        while pid in self._running and _is_awake(pid) and time.monotonic() < self._deadline:
            self._pause(_AWAKE_SECONDS)

    def _start(self, process: Forked, number: int, run: int = 1) -> None:
        name = process.name.replace("{n}", str(number))
        path = process.cgroup.replace("{n}", str(number))
        folders = self._hierarchy.folders(path, self._controllers(path)) if cgroups.split(path) else []
        view = partial(Self, name, file_of=self._file_of, folder=self._folder)
        pid, ready = child.fork(process, name, folders, self._group, view)
        self._running[pid] = _Running(process, name, number, ready, run)
        self.result.pids.setdefault(name, []).append(pid)

    def _file_of(self, path: str, knob: str) -> str:
        return str(self._hierarchy.file(path, knob))

    def _awaited(self) -> list[str]:
        return sorted({one.name for one in self._running.values() if one.process.ends is not None})

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._attend(until - time.monotonic())

    def _wait(self, what: str) -> bool:
        """Attend to what comes next; False once the time is over, which is a problem."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            self.result.problems.append(f"no end after {self._scenario.timeout_seconds:g} s: waiting for {what}")
            return False
        self._attend(left)
        return True

    def _attend(self, seconds: float) -> None:
        """Wait for one of: a process is ready, a process ended, a stream has something."""
        pipes = {one.ready: one for one in self._running.values() if one.ready is not None}
        readable, _, _ = select.select([self._wake[0], *pipes, *self._others], [], [], seconds)
        for descriptor in readable:
            if descriptor in pipes:
                os.close(descriptor)  # a byte, or the end of a process that was not ready yet
                pipes[descriptor].ready = None
            elif descriptor in self._others:
                self._receive()
        with suppress(BlockingIOError):
            os.read(self._wake[0], 4096)
        for pid in list(self._running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._ended(pid, status)

    def _ended(self, pid: int, status: int) -> None:
        one = self._running.pop(pid)
        if one.ready is not None:
            os.close(one.ready)
        problem = judge_end(one.process, status)
        if problem:
            self.result.problems.append(f"{one.name} ({pid}) {problem}")
        elif one.run < one.process.times:
            self._start(one.process, one.number, one.run + 1)


def _pairs(kinds: Iterable[str]) -> list[tuple[str, str]]:
    """Each with the one after it."""
    kinds = list(kinds)
    return list(zip(kinds, kinds[1:]))


def _is_awake(pid: int) -> bool:
    """Whether it is on a CPU, waits for one, or for a disk."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in "RD"


def _child_wakeup(stack: ExitStack) -> tuple[int, int]:
    """A pipe that can be read whenever a child has ended."""
    pair = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    for descriptor in pair:
        stack.callback(os.close, descriptor)
    stack.callback(signal.signal, signal.SIGCHLD, signal.signal(signal.SIGCHLD, lambda *_: None))
    stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(pair[1], warn_on_full_buffer=False))
    return pair


def judge_end(process: Forked, status: int) -> str:
    """What is wrong with the way in which a process ended; empty if nothing is."""
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    if code == BROKEN:
        return "could not be set up or has a defect"
    if process.ends == KILLED and code != -signal.SIGKILL:
        return f"ended with {_words(code)} instead of being killed"
    if process.ends == FAILED and code <= 0:
        return f"ended with {_words(code)} instead of failing"
    if isinstance(process.ends, int) and code != process.ends:
        return f"ended with {_words(code)} instead of status {process.ends}"
    if process.ends is None and code not in (0, -signal.SIGKILL):
        return f"ended with {_words(code)}"
    assert process.ends in (KILLED, FAILED, ANY_END, None) or isinstance(process.ends, int)
    return ""


def _words(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"status {code}"

"""``oomtrace run --fit``: the command again and again, each time in a memory cgroup with another limit."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Callable, Optional

from oomtrace import sizes
from oomtrace.cli.voice import say
from oomtrace.errors import EXIT_FAILURE, EXIT_UNEXPECTED, EXIT_USAGE, OomtraceError
from oomtrace.repro import cgroups, delegation
from oomtrace.repro.command import NOT_EXECUTABLE, NOT_FOUND, Command
from oomtrace.repro.fit import Fit, Trial, find
from oomtrace.repro.journal import UndoJournal
from oomtrace.why.units import human, plural

Files = Callable[[str], Mapping[str, str]]


class Interrupted(Exception):
    """A signal came: whoever started the command wants no more of it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def bounds(given: str) -> tuple[int, int]:
    """``16M..1G`` → two sizes in bytes. Raises OomtraceError."""
    low, dots, high = given.partition("..")
    try:
        if not dots:
            raise ValueError("expected MIN..MAX")
        least, most = sizes.parse(low), sizes.parse(high)
    except ValueError as error:
        raise OomtraceError(f"--fit {given}: {error}", "such as --fit 16M..1G", EXIT_USAGE) from error
    if not 0 < least <= most:
        raise OomtraceError(f"--fit {given}: MIN must be above 0, and at most MAX", "such as --fit 16M..1G", EXIT_USAGE)
    return least, most


def fit(words: Sequence[str], given: str, name: str, files: Files, hierarchy: cgroups.Hierarchy, form: str) -> int:
    """Find the smallest limit, and write it to standard output. ``files``: the knobs for a value of memory.max."""
    low, high = bounds(given)
    runs = _Runs(words, name, files, hierarchy)
    try:
        found = find(runs.attempt, low, high)
    except Interrupted as end:
        return end.status
    first = found.trials[0]
    if first.status in (NOT_FOUND, NOT_EXECUTABLE) and not first.oom_kills:
        return first.status
    if not first.succeeded and not first.oom_kills:
        raise OomtraceError(
            f"the command ends with status {first.status} under {human(first.limit_bytes // 1024)}, and nothing of it "
            "was OOM-killed", "it must succeed there: what fails is not its memory limit", EXIT_FAILURE)
    if form in ("json", "jsonl"):
        sys.stdout.write(json.dumps(plain(found), indent=1 if form == "json" else None) + "\n")
    else:
        sys.stdout.write("".join(line + "\n" for line in told(found)))
    return 0 if found.smallest is not None else EXIT_UNEXPECTED


class _Runs:
    """One run after the other, each in a memcg that is gone when it is over."""

    def __init__(self, words: Sequence[str], name: str, files: Files, hierarchy: cgroups.Hierarchy) -> None:
        self._words, self._name, self._files, self._hierarchy = words, name, files, hierarchy
        self._count = 0

    def attempt(self, limit_bytes: int, bound_s: Optional[float]) -> Trial:
        """A run under a limit. What the command prints is seen in the first one alone."""
        unheard = (0, 1, 2) if self._count else (0,)
        self._count += 1
        with UndoJournal(lambda problem: say(f"oomtrace: {problem}")) as journal:
            unit = f"oomtrace-run-{os.getpid()}-{self._count}"
            delegated = delegation.scope(unit, self._hierarchy, journal)
            with delegated as above:
                path = f"{'' if self._name.startswith('/') else above}/{self._name.strip('/')}"
                running = Command(self._words, path, self._hierarchy, journal, unheard)
                running.make_cgroup(self._files(str(limit_bytes)))
                return self._run(running, limit_bytes, bound_s)

    def _run(self, running: Command, limit_bytes: int, bound_s: Optional[float]) -> Trial:
        silent, other_end = os.pipe()  # no trace that would write to it
        try:
            begin = time.monotonic()
            status = running.run(silent, lambda: False, bound_s)
            seconds = time.monotonic() - begin
        finally:
            os.close(silent)
            os.close(other_end)
        if running.signalled is not None:
            raise Interrupted(128 + running.signalled)
        trial = Trial(limit_bytes, seconds, status, running.kills(), running.stopped, running.waited_s())
        say(f"oomtrace: {_row(trial)}")
        return trial


def plain(found: Fit) -> dict[str, object]:
    """For scripts: all trials, and the limits that are concluded from them."""
    smallest, unhurried = found.smallest, found.unhurried
    return {
        "schema": "oomtrace-fit/1",
        "smallest_bytes": None if smallest is None else smallest.limit_bytes,
        "unhurried_bytes": None if unhurried is None else unhurried.limit_bytes,
        "trials": [{**asdict(trial), "succeeded": trial.succeeded} for trial in found.trials],
    }


def told(found: Fit) -> Iterator[str]:
    """For people: what was found, and what to write into a unit or a pod."""
    smallest, too_small, unhurried = found.smallest, found.too_small, found.unhurried
    if smallest is None or unhurried is None:
        yield f"{human(found.trials[0].limit_bytes // 1024)} are not enough."
        return
    yield f"The smallest memory limit under which it succeeds is {human(smallest.limit_bytes // 1024)}" + (
        ", the smallest that was tried." if too_small is None else
        f"; {human(too_small.limit_bytes // 1024)} are not enough.")
    best = found.trials[0]
    if unhurried.limit_bytes > smallest.limit_bytes:
        yield (f"There it takes {smallest.seconds:.1f} s, with {human(best.limit_bytes // 1024)} {best.seconds:.1f} s. "
               f"From {human(unhurried.limit_bytes // 1024)} on it is as fast.")
    size_mib = -(-unhurried.limit_bytes // (1 << 20))
    yield "Its need may differ from run to run: leave some room above that."
    yield f"  systemd: MemoryMax={size_mib}M"
    yield f"  Kubernetes: limits: {{memory: {size_mib}Mi}}"


def _row(trial: Trial) -> str:
    """A trial, in a line."""
    if trial.succeeded:
        result = "succeeds"
    elif trial.stopped:
        result = "stopped: too slow"
    elif trial.oom_kills:
        result = f"OOM: {plural(trial.oom_kills, 'process', 'processes')} killed"
    else:
        result = f"fails with status {trial.status}"
    return f"{human(trial.limit_bytes // 1024):>10}  {trial.seconds:8.1f} s  {result}"

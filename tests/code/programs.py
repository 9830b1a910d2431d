"""Real programs for the tests: compiled here, run, stopped at moments of their own choosing."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Callable

import pytest

from oomtrace import code
from oomtrace.model import Code, CodeFrame
from tests.code.stopped import MACHINE, raw_stack

SOURCES = Path(__file__).parent / "sources"
_COMPILERS = {
    ".c": ("gcc", "-O2", "-fomit-frame-pointer"),
    ".cpp": ("g++", "-O2", "-fomit-frame-pointer"),
    ".rs": ("rustc", "-O"),
    ".go": ("go", "build"),
}


def built(folder: Path, source: str, *options: str) -> Path:
    """A program from ``sources/``. Skips the test if there is no compiler for it, or it cannot do what is asked."""
    path, target = SOURCES / source, folder / "catalog"
    compiler, *usual = _COMPILERS[path.suffix]
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler}")
    environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": ""}
    done = subprocess.run([compiler, *usual, *options, "-o", str(target), str(path)], env=environment,
                          capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"{compiler} {' '.join(options)} does not work here: {done.stderr.strip().splitlines()[-1]}")
    return target


@contextmanager
def running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program that says a line when it is ready."""
    with subprocess.Popen(list(command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            yield child
        finally:
            child.kill()


def work(pid: int, seconds: float = 0.05) -> None:
    """Until the process has had a CPU for so long: one that is kept waiting stays where it is."""
    clock = ~pid << 3 | 2  # include/linux/posix-timers.h: MAKE_PROCESS_CPUCLOCK, with CPUCLOCK_SCHED
    until, deadline = time.clock_gettime(clock) + seconds, time.monotonic() + 60
    while (left := until - time.clock_gettime(clock)) > 0:
        assert time.monotonic() < deadline, "it does not run"
        time.sleep(max(left, 0.0005))


def samples(tgid: int, count: int, most: int = 32768) -> tuple[code.RawSample, ...]:
    """Stacks of its first thread, at moments that follow no rhythm."""
    found = []
    for _ in range(count):
        work(tgid, random.uniform(0.001, 0.02))
        found.append(code.RawSample(tgid, tgid, "catalog", raw_stack(tgid, most), 65536))
    return tuple(found)


def of_command(
    command: Sequence[str], count: int = 12, most: int = 32768, late: Callable[[], None] = lambda: None,
) -> Code:
    """The code of a program that runs. ``late``: called when it is dead, before its stacks are resolved."""
    files = code.Files()
    try:
        with running(command) as child:
            work(child.pid)
            process = code.look(child.pid, files)
            assert process is not None
            taken = samples(child.pid, count, most)
        late()
        return code.resolve(code.RawCode(MACHINE, taken, processes=(process,)), files)
    finally:
        files.close()


def stacks(found: Code) -> list[list[CodeFrame]]:
    """The frames of each sample, innermost first."""
    return [list(found.walk(one.stack)) for one in found.samples for _ in range(one.samples)]


def own(found: Code) -> list[list[str]]:
    """The names of the program's own frames, innermost first."""
    return [[frame.name for frame in stack if not frame.library] for stack in stacks(found)]

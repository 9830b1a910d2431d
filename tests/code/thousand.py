"""How long the frames of 1,000 stacks take. ``python -m tests.code.thousand`` prints it, as JSON."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from oomtrace import code
from tests.code.programs import built, running, samples, work
from tests.code.stopped import MACHINE


def seconds(folder: Path) -> float:
    """Of CPU, for stacks of different depths, each with its own return addresses; with what the process takes in which
    that is done."""
    files = code.Files()
    with running([str(built(folder, "deep.c"))]) as child:
        work(child.pid)
        process = code.look(child.pid, files)
        taken = samples(child.pid, 20)
    assert process is not None
    many = tuple(replace(one, memcg=f"/{n}") for n in range(50) for one in taken)
    raw = code.RawCode(MACHINE, many, processes=(process,))
    before = _spent()
    found = code.resolve_apart(raw, files)
    spent = _spent() - before
    files.close()
    assert found is not None and found.unwinder == "libdw"
    assert sum(one.samples for one in found.samples) == 1000 and max(len(stack.frames) for stack in found.stacks) > 30
    return spent


def _spent() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps({"seconds": seconds(Path(name))}))

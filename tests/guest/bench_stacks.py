"""Run in a guest whose time counts instructions (--icount): what sampling stacks adds to page faults, and what memory
it takes.

Prints, as JSON, the CPU nanoseconds (instructions) of 32 MiB of page faults of 4 KiB, in a program and in Python, whose
functions samples read as well: untraced, traced without --stacks, and with it; every mode between two measurements
untraced, while the same two processes do the work. Beside that, the kernel's memory that a trace holds.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

from bench_charges import _NOHUGEPAGE, Worker, anonymous
from bench_common import cgroup, traced, write

MODES = ("batch", "stacks")
PASSES, ROUNDS = 4, 5
PYTHON, PROGRAM = os.path.realpath(sys.executable), "/var/tmp/program"


def measured():
    """Nanoseconds of each round."""
    found = []
    for _ in range(ROUNDS + 1):
        begin = time.process_time_ns()
        fault()
        found.append(time.process_time_ns() - begin)
    return found[1:]


def fault():
    """As deep in Python as programs are."""
    def within(depth):
        return within(depth - 1) if depth else anonymous(_NOHUGEPAGE)

    within(12)


class Asked(Worker):
    """A worker that is a program of its own."""

    def __init__(self, path, program):
        self.path, self.program = path, program
        super().__init__(path)

    def run(self, asked, answered):
        for descriptor in (asked, answered):
            os.set_inheritable(descriptor, True)
        os.environ["PYTHONHOME"] = "/usr"
        os.execv(self.program, [self.program, __file__, "work", str(asked), str(answered)])


def work(asked, answered):
    with open(asked) as questions, open(answered, "w") as answers:
        for _ in questions:
            json.dump(measured(), answers)
            answers.write("\n")
            answers.flush()


def held(trace):
    """Bytes of kernel memory: of its BPF maps, and of the rings that it has mapped."""
    maps = 0
    for path in Path(f"/proc/{trace.process.pid}/fdinfo").iterdir():
        facts = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        if "map_type" in facts:
            maps += int(facts["memlock"])
    return {"maps": maps, "rings": trace.status("VmPin") << 10}


def main():
    path = cgroup("bench", 1 << 30)
    write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise")
    shutil.copy(PYTHON, PROGRAM)  # by its name it is no interpreter: no function of Python is looked for
    workers = {"a program": Asked(path, PROGRAM), "Python": Asked(path, PYTHON)}

    def measure():
        return {name: worker.measure() for name, worker in workers.items()}

    measure()
    found, memory = [["untraced", measure()]], {}
    for number in range(PASSES):
        for mode in MODES:
            with traced(mode) as trace:
                found.append([mode, measure()])
                memory[mode] = held(trace)
            found.append(["untraced", measure()])
            print(f"stacks: pass {number + 1} of {PASSES}, {mode} done", file=sys.stderr)
    json.dump({"measured": found, "memory": memory}, sys.stdout)
    for worker in workers.values():
        worker.end()


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(*map(int, sys.argv[2:]))
    else:
        main()

"""Run in a guest whose time counts instructions (--icount): what watching kills adds to signals and to page faults.

Prints, as JSON, the CPU nanoseconds (instructions) of each kind of work in each mode of --kills, with --charges off:
every mode between two measurements without any trace. One process does all the work.
"""

import json
import mmap
import os
import signal
import sys
import time

from bench_charges import Worker
from bench_common import Trace, cgroup, write

MODES = ("off", "near", "all")
PASSES = 2
ROUNDS = 5
SIGNALS = 1000
SIZE = 16 << 20
PAGE = mmap.PAGESIZE


def signals(number):
    """To itself, a thousand a second, each taken before the next; it has a handler, so that none would end it."""
    signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    mine = os.getpid()
    for _ in range(SIGNALS):
        os.kill(mine, number)
        signal.sigwait({number})
        time.sleep(0.001)


def faults():
    memory = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(15)  # MADV_NOHUGEPAGE
    memory[::PAGE] = bytes(1) * len(range(0, SIZE, PAGE))
    memory.close()


WORK = {
    "1,000 SIGUSR1": lambda: signals(signal.SIGUSR1),
    "1,000 SIGTERM": lambda: signals(signal.SIGTERM),
    "page faults, 4 KiB": faults,
}


def main():
    import bench_charges

    bench_charges.WORK, bench_charges.ROUNDS = WORK, ROUNDS
    write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise")
    worker = Worker(cgroup("bench", 512 << 20))
    worker.measure()
    found = [["untraced", worker.measure()]]
    for number in range(PASSES):
        for mode in MODES:
            trace = Trace("--charges", "off", "--kills", mode)
            found.append([mode, worker.measure()])
            trace.stop()
            found.append(["untraced", worker.measure()])
            print(f"signals: pass {number + 1} of {PASSES}, {mode} done", file=sys.stderr)
    json.dump({"measured": found}, sys.stdout)
    worker.end()


if __name__ == "__main__":
    main()

"""Run in a guest whose time counts instructions (--icount): what tracing adds to memory that is charged to a memcg.

Prints, as JSON, the CPU nanoseconds (instructions) of each kind of work in each mode of --charges: every mode between
two measurements untraced. One process does all the work, and modes come and go around it: what
it is given is nearly the same from round to round, and where it lies, too. Beside that, what one run of each mode's
program takes, as the kernel counts it.
"""

import ctypes
import fcntl
import json
import mmap
import os
import socket
import struct
import sys
import time
from contextlib import contextmanager

from bench_common import CHECKOUT, cgroup, child, traced, write

sys.path.insert(0, CHECKOUT)

MODES = ("off", "batch", "every", "trampoline", "kprobe")
PASSES = 4
ROUNDS = 5
SIZE, HUGE = 32 << 20, 2 << 20
_HUGEPAGE, _NOHUGEPAGE = 14, 15
PAGE = mmap.PAGESIZE


def anonymous(advice):
    memory = mmap.mmap(-1, SIZE + HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(advice)
    buffer = ctypes.c_char.from_buffer(memory)
    start = -ctypes.addressof(buffer) % HUGE  # as many huge pages wherever it lies
    del buffer
    memory[start:start + SIZE:PAGE] = bytes(1) * len(range(0, SIZE, PAGE))  # a loop of C
    memory.close()


def page_cache():
    with open("/var/tmp/bench.dat", "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        buffer = bytearray(1 << 16)
        while file.readinto(buffer):
            pass


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x1))  # SIOCSIFFLAGS, IFF_UP


def sockets():
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    receiver.bind(("127.0.0.1", 0))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    data = b"x" * 8192
    for _ in range(1000):
        sender.sendto(data, receiver.getsockname())
    receiver.close()
    sender.close()


def slab():
    for _ in range(20):
        ends = [os.pipe() for _ in range(200)]
        for pair in ends:
            os.close(pair[0])
            os.close(pair[1])


WORK = {
    "page faults, 4 KiB": lambda: anonymous(_NOHUGEPAGE),
    "page faults, THP": lambda: anonymous(_HUGEPAGE),
    "page cache reads": page_cache,
    "UDP socket buffers": sockets,
    "slab (pipes)": slab,
}


def fallbacks():
    """Huge pages that were not to be had, since boot."""
    with open("/proc/vmstat") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("thp_fault_fallback "))


def measure():
    """Nanoseconds of each round of each work; none of a round that had to do with small pages for want of huge ones."""
    found = {}
    for name, work in WORK.items():
        work()
        times = []
        for _ in range(4 * ROUNDS):
            if len(times) == ROUNDS:
                break
            lacked, begin = fallbacks(), time.process_time_ns()
            work()
            took = time.process_time_ns() - begin
            if fallbacks() == lacked:
                times.append(took)
            else:
                write("/proc/sys/vm/compact_memory", 1)
        found[name] = times
    return found


def serve(asked, answered):
    """Measure whenever a line comes."""
    with open(asked) as questions, open(answered, "w") as answers:
        for _ in questions:
            json.dump(measure(), answers)
            answers.write("\n")
            answers.flush()


@contextmanager
def nothing(by):
    """A program that does nothing in the place of that of --charges every, by a trampoline if there is one."""
    from oomtrace.live import bpf
    from oomtrace.programs import keep

    made, base = keep.get(lambda _: None)
    target = next(target for target in made.targets_at(base) if target.probe.program == "charge_every")
    type_id = target.type_id if by == "trampoline" else None
    program = bpf.load_program("nothing", bytes.fromhex("b700000000000000" "9500000000000000"), type_id)
    attached = bpf.attach_direct(program) if type_id else bpf.attach_kprobe(target.symbol, program)
    yield
    os.close(attached)
    os.close(program)


class Worker:
    """The process in a cgroup that does the work when asked."""

    def __init__(self, path):
        asked, ask = os.pipe()
        answer, answered = os.pipe()

        def work():
            os.close(ask)
            self.run(asked, answered)

        child(path, work)
        os.close(asked)
        os.close(answered)
        self.questions, self.answers = open(ask, "w"), open(answer)  # noqa: SIM115 (until end)

    def run(self, asked, answered):
        serve(asked, answered)

    def measure(self):
        time.sleep(1)  # what starting left to do is done
        self.questions.write("\n")
        self.questions.flush()
        return json.loads(self.answers.readline())

    def end(self):
        self.questions.close()
        os.wait()


def in_turn(worker):
    """[mode, times] of all passes, with one untraced before and after each."""
    worker.measure()  # until caches and lists of free pages find their state
    found = [["untraced", worker.measure()]]
    for number in range(PASSES):
        for mode in MODES:
            with nothing(mode) if mode in ("trampoline", "kprobe") else traced(mode):
                found.append([mode, worker.measure()])
            found.append(["untraced", worker.measure()])
            print(f"charges: pass {number + 1} of {PASSES}, {mode} done", file=sys.stderr)
    return found


def program_runs(worker):
    """By mode: how often its program ran, and the nanoseconds (instructions) that all its runs took."""
    runs = {}
    write("/proc/sys/kernel/bpf_stats_enabled", 1)
    for mode in ("batch", "every"):
        with traced(mode) as trace:
            worker.measure()
            runs[mode] = max(trace.program_runs())
    write("/proc/sys/kernel/bpf_stats_enabled", 0)
    return runs


def main():
    path = cgroup("bench", 1 << 30)  # with a limit its usage is read at each batch, and kept by the second
    write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise")
    loopback_up()
    with open("/var/tmp/bench.dat", "wb") as file:
        file.write(b"x" * SIZE)
        os.fsync(file.fileno())
    worker = Worker(path)
    json.dump({"measured": in_turn(worker), "runs": program_runs(worker)}, sys.stdout)
    worker.end()


if __name__ == "__main__":
    main()

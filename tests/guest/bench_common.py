"""What the measurements in a guest have in common: cgroups, processes in them, a running oomtrace."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = str(Path(__file__).resolve().parents[2])
ROOT = "/sys/fs/cgroup"


def write(path, value):
    with open(path, "w") as file:
        file.write(str(value))


def cgroup(name, limit="max"):
    """A cgroup (v2) with a memory limit."""
    path = f"{ROOT}/{name}"
    write(f"{ROOT}/cgroup.subtree_control", "+memory")
    os.makedirs(path, exist_ok=True)
    write(f"{path}/memory.max", limit)
    return path


def child(path, work):
    """A process in a cgroup that may be killed; its pid."""
    pid = os.fork()
    if not pid:
        write("/proc/self/oom_score_adj", 0)
        write(f"{path}/cgroup.procs", os.getpid())
        status = 1
        try:
            work()
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def hog():
    """Take memory until killed; in pieces, as none larger than the machine's memory is to be had."""
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


def oom(path):
    """One OOM in a cgroup that has room for little."""
    _, status = os.waitpid(child(path, hog), 0)
    if not os.WIFSIGNALED(status):
        sys.exit(f"the process in {path} was not killed: status {status}")


def kernel_kills():
    with open("/proc/vmstat") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


class Trace:
    """A running oomtrace, that the OOM killer might choose but for what it does itself. Its reports go to a file."""

    def __init__(self, *options):
        self.folder = tempfile.mkdtemp()
        ready = f"{self.folder}/ready"
        os.mkfifo(ready)
        self.output = open(f"{self.folder}/out", "wb")  # noqa: SIM115 (closed with the process)
        self.errors = open(f"{self.folder}/err", "w+")  # noqa: SIM115
        command = ["adj0", "oomtrace", "--format", "jsonl", "--ready-file", ready, *options]
        self.process = subprocess.Popen(command, stdout=self.output, stderr=self.errors)
        with open(ready) as fifo:  # opened for writing once it is ready
            fifo.read()

    def status(self, name):
        with open(f"/proc/{self.process.pid}/status") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))

    def cpu_ticks(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13]))

    def program_runs(self):
        """Of each of its BPF programs: runs, and nanoseconds in all, while the kernel counts them."""
        for path in Path(f"/proc/{self.process.pid}/fdinfo").iterdir():
            facts = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
            if "run_cnt" in facts:
                yield int(facts["run_cnt"]), int(facts["run_time_ns"])

    def said(self):
        """Its status, and what it said on standard error."""
        with open(f"{self.folder}/err") as errors:
            return f"status {self.process.poll()}; {errors.read()}"

    def stop(self):
        """End it; its events, and its last line."""
        if self.process.poll() is not None:
            sys.exit(f"oomtrace ended by itself: {self.said()}")
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        with open(f"{self.folder}/out") as lines:
            events = [json.loads(line)["event"] for line in lines]
        return events, self.said().splitlines()[-1]


@contextmanager
def traced(mode):
    """A trace with --charges as said, or with --stacks on; none for ``untraced``."""
    options = ("--stacks", "on") if mode == "stacks" else ("--charges", mode)
    trace = None if mode == "untraced" else Trace(*options)
    try:
        yield trace
    finally:
        if trace is not None:
            trace.stop()

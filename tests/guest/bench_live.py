"""Run in a guest of the bench variant: how soon a report is out, how many OOMs a second are kept up with, what an
idle trace costs, or those of the three that are named. Prints JSON."""

import json
import os
import re
import subprocess
import sys
import threading
import time

from bench_common import Trace, cgroup, child, hog, kernel_kills, oom

LATENCIES = 25
STORMS = ((1, 256), (4, 256), (16, 256), (64, 1024))  # cgroups side by side, kills
IDLE_S = 60


class Lines(threading.Thread):
    """When a command's output has a line that matches: boot clock."""

    def __init__(self, command, pattern):
        super().__init__(daemon=True)
        self.times = []
        self.pattern = pattern
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.start()

    def run(self):
        for line in self.process.stdout:
            if re.search(self.pattern, line):
                self.times.append(time.monotonic())


def kernel_times(*patterns):
    """The kernel's time stamps of the last line that has each pattern, in seconds."""
    records = []
    with open("/dev/kmsg", "rb", buffering=0) as log:
        os.set_blocking(log.fileno(), False)
        while True:
            try:
                records.append(os.read(log.fileno(), 8192))
            except BlockingIOError:
                break
    return [[int(record.split(b",")[2]) / 1e6 for record in records if each in record][-1] for each in patterns]


def latency():
    """Seconds from the kernel's first line of a report to its last being read from our pipe and from that of dmesg,
    and to the kernel's stamp on it."""
    path = cgroup("latency", 16 << 20)
    ready = "/tmp/bench-ready"
    os.mkfifo(ready)
    ours = Lines(["oomtrace", "--format", "kernel", "--ready-file", ready], rb"Killed process")
    with open(ready) as fifo:
        fifo.read()
    theirs = Lines(["dmesg", "-w"], rb"Killed process")
    time.sleep(3)
    found = []
    for _ in range(LATENCIES):
        ours.times, theirs.times = [], []
        before_s = time.monotonic()
        with open("/dev/kmsg", "w") as log:
            log.write("bench: now\n")
        between_s = (before_s + time.monotonic()) / 2
        oom(path)
        deadline = time.monotonic() + 10
        while not (ours.times and theirs.times) and time.monotonic() < deadline:
            time.sleep(0.01)
        now_s, first_s, last_s = kernel_times(b"bench: now", b"invoked oom-killer", b"Killed process")
        begun_s = first_s + between_s - now_s  # the kernel's log has a clock of its own
        both = ours.times and theirs.times
        found.append([*(each.times[0] - begun_s for each in (ours, theirs)), last_s - first_s] if both else None)
        time.sleep(0.6)
    ours.process.terminate()
    theirs.process.terminate()
    return found


def gusts(path, times):
    for _ in range(times):
        pid = child(path, hog)
        os.waitpid(pid, 0)


def side_by_side(paths, times):
    """In each of the cgroups one OOM after another."""
    workers = []
    for path in paths:
        pid = os.fork()
        if not pid:
            gusts(path, times)
            os._exit(0)
        workers.append(pid)
    for pid in workers:
        os.waitpid(pid, 0)


def storm(width, kills, traced=True):
    """As many cgroups side by side, each with one OOM after another."""
    trace = Trace("-q") if traced else None
    paths = [cgroup(f"storm{number}", 3 << 20) for number in range(width)]
    before, begin = kernel_kills(), time.monotonic()
    side_by_side(paths, kills // width)
    found = {"width": width, "seconds": time.monotonic() - begin, "kills": kernel_kills() - before}
    if trace:
        time.sleep(4)
        found["peak_kb"] = trace.status("VmHWM")
        _, found["closing"] = trace.stop()
    print(f"storm of {width}: {found}", file=sys.stderr)
    return found


def churn(seconds):
    """Memory that comes and goes in a memcg, without an OOM."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        bytearray(16 << 20)


def idle(command):
    """CPU seconds and wake-ups of a tracer while memory churns."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(60 if "bpfcc" in command[0] else 15)

    def now():
        with open(f"/proc/{process.pid}/stat") as file:
            ticks = sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13]))
        with open(f"/proc/{process.pid}/status") as lines:
            return ticks, next(int(line.split()[1]) for line in lines if line.startswith("voluntary"))

    before = now()
    os.waitpid(child(cgroup("churn", 64 << 20), lambda: churn(IDLE_S)), 0)
    after = now()
    locked = 0
    with open(f"/proc/{process.pid}/status") as lines:
        for line in lines:
            if line.startswith("VmLck"):
                locked = int(line.split()[1])
    process.terminate()
    process.wait()
    return [(after[0] - before[0]) / os.sysconf("SC_CLK_TCK"), after[1] - before[1], locked]


PARTS = {
    "latency": latency,
    "storm": lambda: [storm(*each) for each in (*STORMS, (*STORMS[-1], False))],
    "idle": lambda: {command[0]: idle(command) for command in (["oomtrace"], ["oomkill-bpfcc"])},
}


def main():
    json.dump({name: PARTS[name]() for name in sys.argv[1:] or PARTS}, sys.stdout)


if __name__ == "__main__":
    main()

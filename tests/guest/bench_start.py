"""Run in a guest of the bench variant: seconds from start to attached, and resident memory, of oomtrace and its peers.
oomtrace.pyz lies in /root/put.

Attached means: the kernel lists a kprobe on oom_kill_process (/sys/kernel/debug/kprobes/list), the only one that the
peers have; of oomtrace, the last of its many, out_of_memory.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PYZ = ["python3", "/root/put/oomtrace.pyz"]
COMMANDS = {
    "oomtrace": ["oomtrace"],
    "oomtrace.pyz": PYZ,
    "bpftrace oomkill.bt": ["bpftrace", "/usr/sbin/oomkill.bt"],
    "oomkill-bpfcc": ["oomkill-bpfcc"],
}
SLOW = ("oomkill-bpfcc",)


def attached(command):
    function = "out_of_memory" if "oomtrace" in command[-1] else "oom_kill_process"
    with open("/sys/kernel/debug/kprobes/list") as file:
        return any(line.split()[2].split("+")[0] == function for line in file)


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def settled_kb(pid):
    """Resident memory once it stays the same for two seconds: being ready comes first, the rest later."""
    before, since = resident_kb(pid), time.monotonic()
    while time.monotonic() - since < 2:
        time.sleep(0.2)
        now = resident_kb(pid)
        if abs(now - before) > 256:
            before, since = now, time.monotonic()
    return before


def ended_peak_kb(process):
    """The most that it, or a process of its own, had resident at any time; killed if it does not end in ten seconds."""
    deadline = time.monotonic() + 10
    while True:
        pid, _, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = 0
            return usage.ru_maxrss
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.02)


def forget():
    """As after a boot: what is read comes from the disk."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")


def once(name, command):
    environment = {**os.environ, "OOMTRACE_CACHE": f"/var/cache/{name}"}
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    while not attached(command):
        if process.poll() is not None:
            sys.exit(f"{command[0]} ended with {process.returncode}: {process.stderr.read().decode()}")
        time.sleep(0.02)
    seconds = time.monotonic() - begin
    kilobytes = settled_kb(process.pid)
    process.send_signal(signal.SIGINT)
    peak = ended_peak_kb(process)
    while attached(command):
        time.sleep(0.02)
    print(f"{name}: {seconds:.2f} s, {kilobytes} kB, at most {peak} kB", file=sys.stderr)
    return seconds, kilobytes, peak


def main():
    # As in an installation, where pip or the package's scripts have done so.
    subprocess.run([sys.executable, "-m", "compileall", "-q", "oomtrace"], check=True)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    results = {name: [] for name in COMMANDS}
    for number in range(rounds):
        for name, command in COMMANDS.items():
            if not number:
                forget()
            if name not in SLOW or number < 2:
                results[name].append(once(name, command))
    json.dump(results, sys.stdout)
    print()


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[2])
    main()

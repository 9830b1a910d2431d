"""Run in a guest whose time counts instructions: from mem_cgroup_out_of_memory to the SIGKILL, by tasks in the memcg.

The kernel's own tracing tells when; it is there in all cases. "printed": the kernel prints its report (to no console);
"silent": its rate limit keeps the report back. Prints JSON: microseconds, and how whole the traced reports were.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import time

from bench_common import CHECKOUT, Trace, cgroup, child, oom, write

sys.path.insert(0, CHECKOUT)
TRACING = "/sys/kernel/tracing"
TASKS = (10, 100, 1000, 10000)
BURST = 10  # reports in 5 s that the kernel's rate limit lets pass


def watch():
    if not os.path.isdir(f"{TRACING}/events"):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACING], check=True)
    write(f"{TRACING}/trace_clock", "mono")
    write(f"{TRACING}/kprobe_events", "p:bench/enter mem_cgroup_out_of_memory\np:bench/kill do_send_sig_info sig=$arg1")
    write(f"{TRACING}/events/bench/kill/filter", "sig == 9")
    write(f"{TRACING}/events/bench/enable", 1)


def last_us():
    """Microseconds of the last OOM."""
    with open(f"{TRACING}/trace") as lines:
        found = re.findall(r" ([0-9]+)\.([0-9]{6}): (enter|kill): ", lines.read())
    times = {what: int(seconds) * 1000000 + int(us) for seconds, us, what in found}
    write(f"{TRACING}/trace", "")
    return times["kill"] - times["enter"]


def sleepers(path, count):
    from oomtrace.repro.workloads.bare import elf
    from oomtrace.repro.workloads.many import program

    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    image = f"/tmp/sleepers.{count}"
    with open(image, "wb") as file:
        file.write(elf(program(count - 1, writer)))
    os.chmod(image, 0o755)
    child(path, lambda: os.execv(image, [image]))
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)


def clear(path):
    write(f"{path}/cgroup.kill" if os.path.exists(f"{path}/cgroup.kill") else "/dev/null", 1)
    while True:
        with open(f"{path}/cgroup.procs") as pids:
            left = pids.read().split()
        if not left:
            return
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(int(pid), 9)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        time.sleep(0.1)


def measure(path, small):
    found, there = {}, 0
    for count in TASKS:
        sleepers(path, count - there)
        there = count
        with open(f"{path}/memory.current") as file:
            room = int(file.read()) + (8 << 20)
        write(f"{path}/memory.max", room)
        times = {}
        for what in ("printed", "silent"):
            time.sleep(5.5)  # the rate limit forgets
            if what == "silent":
                for _ in range(BURST + 2):
                    oom(small)
            write(f"{TRACING}/trace", "")
            oom(path)
            times[what] = last_us()
        write(f"{path}/memory.max", "max")
        found[count] = times
        print(f"path: {count} tasks: {times}", file=sys.stderr)
    clear(path)
    return found


def main():
    write("/proc/sys/kernel/printk", "0 4 0 0")
    path, small = cgroup("path"), cgroup("small", 8 << 20)
    watch()
    found = {"untraced": measure(path, small)}
    trace = Trace("--charges", "batch")
    resident_kb = trace.status("VmRSS")
    found["traced"] = measure(path, small)
    time.sleep(2)
    peak_kb = trace.status("VmHWM")
    events, closing = trace.stop()
    log = subprocess.run(["dmesg"], capture_output=True, text=True).stdout
    found["whole"] = {
        "reports": [[len(e["report"]["tasks"] or []), e["trace"]["records_lost"], e["origin"]["missing"]]
                    for e in events if (e["report"]["memcg"] or {}).get("path") == "/path"],
        "closing": closing,
        "soft_lockups": len(re.findall("soft lockup|rcu.*stall", log)),
        "resident_kb": resident_kb,
        "peak_kb": peak_kb,
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

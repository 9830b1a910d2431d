"""Run in a guest whose time counts instructions (--icount): what a trace takes where many memcgs stay at their limit.

Each is full of page cache, and its process reads on, so that the kernel reclaims a little of it all the time. Prints
JSON: CPU seconds of the trace and of the process that looks over some minutes, and what of the machine's memory is
locked for usage by the second and for the bells.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from bench_common import CHECKOUT, Trace, cgroup, child

sys.path.insert(0, CHECKOUT)

MEMCGS = 100
LIMIT, SIZE, PIECE = 8 << 20, 32 << 20, 64 << 10
EACH_S = 1.0  # one piece
SETTLE_S, MEASURE_S = 200, 120  # the first looks, what there may be left over for further ones, and what may be owed
OF_WITNESS = ("histories", "blank_history", "first_bells", "noted", "machine_nears", "bells")


def read_on(number):
    """A file that is larger than the limit, without blocks on the disk: from beginning to end, again and again."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    path = f"/var/tmp/near{number}"
    with open(path, "wb") as file:
        file.truncate(SIZE)
    with open(path, "rb", buffering=0) as file:
        for at in range(0, LIMIT, PIECE):  # to the limit
            os.pread(file.fileno(), PIECE, at)
        time.sleep(EACH_S * number / MEMCGS)
        at = LIMIT
        while True:
            os.pread(file.fileno(), PIECE, at)
            at = (at + PIECE) % SIZE
            time.sleep(EACH_S)


def say(what):
    """How far it has come: on standard error, and on the console, which is there if the machine is lost."""
    print(f"{time.monotonic():.0f} s: {what}", file=sys.stderr, flush=True)
    with open("/dev/kmsg", "w") as log:
        log.write(f"<1>near: {what}")


def cpu_ns(pid):
    """Of all threads (Documentation/scheduler/sched-stats.rst: schedstat's first field)."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


def wakeups(pid):
    return sum(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
               if line.startswith("voluntary"))


def looker(pid):
    """The process that looks: the trace's child."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def locked_kb(trace):
    """Of maps by name, of those for this alone."""
    from oomtrace.programs import keep

    made, _ = keep.get(lambda _: None)
    specs = {(spec.kind, spec.key_size, spec.value_size, spec.max_entries): spec.name for spec in made.image.maps}
    found, all_kb = {}, 0
    for path in Path(f"/proc/{trace.process.pid}/fdinfo").iterdir():
        facts = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        if "map_type" in facts:
            key = tuple(int(facts[name]) for name in ("map_type", "key_size", "value_size", "max_entries"))
            all_kb += int(facts["memlock"]) >> 10
            if specs.get(key) in OF_WITNESS:
                found[specs[key]] = int(facts["memlock"]) >> 10
    return found, all_kb


def main():
    trace = Trace("-q")
    say("traced")
    pid = trace.process.pid
    look_pid = looker(pid)
    maps_kb, all_kb = locked_kb(trace)
    children = [child(cgroup(f"near{number}", LIMIT), lambda number=number: read_on(number))
                for number in range(MEMCGS)]
    time.sleep(SETTLE_S)
    say("settled")
    full = sum(int(Path(f"/sys/fs/cgroup/near{number}/memory.current").read_text()) > LIMIT * 0.9
               for number in range(MEMCGS))
    before = [cpu_ns(each) for each in (pid, look_pid)], [wakeups(each) for each in (pid, look_pid)], time.monotonic()
    time.sleep(MEASURE_S)
    after = [cpu_ns(each) for each in (pid, look_pid)], [wakeups(each) for each in (pid, look_pid)], time.monotonic()
    read = sum(int(line.split()[1]) for line in Path("/proc/vmstat").read_text().splitlines()
               if line.startswith("pgscan_direct "))
    alive = [each for each in children if os.waitpid(each, os.WNOHANG)[0] == 0]
    from oomtrace.session.slowness import slowness

    found = {
        "slower": slowness(), "memcgs": MEMCGS, "alive": len(alive), "full": full, "seconds": after[2] - before[2],
        "pgscan_direct": read,
        "cpu_s": [(one - other) / 1e9 for one, other in zip(after[0], before[0])],
        "wakeups": [one - other for one, other in zip(after[1], before[1])],
        "before_s": [each / 1e9 for each in before[0]],
        "looker_locked_kb": [line for line in Path(f"/proc/{look_pid}/status").read_text().splitlines()
                             if line.startswith(("VmLck", "VmRSS"))],
        "maps_kb": maps_kb, "all_maps_kb": all_kb,
    }
    for each in alive:
        os.kill(each, signal.SIGKILL)
        os.waitpid(each, 0)
    time.sleep(1)
    events, said = trace.stop()
    json.dump({**found, "events": len(events), "said": said}, sys.stdout)


if __name__ == "__main__":
    main()

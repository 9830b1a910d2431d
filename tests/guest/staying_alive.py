"""Run in a guest: oomtrace amid trouble. `staying_alive.py CASE[=N] …` says what it found; 1 if that is wrong."""

import fcntl
import gc
import glob
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

from bench_common import CHECKOUT, Trace, cgroup, child, hog, kernel_kills, oom, write

PATIENCE_S = 120  # for what takes a second where nothing else is going on
TOO_MANY = 80  # OOMs for buffers of 256 KiB: those of two CPUs have room for some 25
F_SETPIPE_SZ = 1031
CPU1 = "/sys/devices/system/cpu/cpu1/online"


def check(right, what):
    if not right:
        sys.exit(f"staying alive: {what}")


def until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        check(time.monotonic() < deadline, f"waited in vain for {what}")
        time.sleep(0.1)


def caught_up(*traces):
    """Wait until they have nothing to do for two seconds: they take no CPU time, and do not ask for any either, as on a
    busy machine that gives them none."""
    deadline, before = time.monotonic() + 2 * PATIENCE_S, None
    while before != (before := [trace.cpu_ticks() for trace in traces]) or not all(map(asleep, traces)):
        check(time.monotonic() < deadline, "waited in vain for a trace that has caught up")
        time.sleep(2)


def asleep(trace):
    """Whether all of its threads are."""
    states = []
    for path in glob.glob(f"/proc/{trace.process.pid}/task/*/stat"):
        with open(path) as file:
            states.append(file.read().rsplit(")", 1)[1].split()[0])
    return set(states) == {"S"}


def buffers(trace):
    """How many perf events it has open: probes, and buffers of CPUs."""
    links = []
    for path in glob.glob(f"/proc/{trace.process.pid}/fd/*"):
        with suppress(FileNotFoundError):  # closed since
            links.append(os.readlink(path))
    return links.count("anon_inode:[perf_event]")


def whole(events):
    """Check that every event is complete."""
    for event in events:
        check(not event["trace"]["records_lost"] and not event["origin"]["missing"],
              f"incomplete: {event['trace']['records_lost']} lost, missing {event['origin']['missing']}")
        check(event["report"]["kills"] and event["report"]["stack"], "an event without its kill or its call trace")


def global_ooms(times):
    """The machine runs out of memory, again and again: oomtrace is never the victim, every report is whole."""
    trace = Trace()
    before = kernel_kills()
    for number in range(times):
        pid = os.fork()
        if not pid:
            write("/proc/self/oom_score_adj", 0)
            try:
                hog()
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        check(os.WIFSIGNALED(status), f"the hog of round {number} was not killed: {status}")
        check(trace.process.poll() is None, f"oomtrace is gone after round {number}: {trace.said()}")
    time.sleep(3)
    events, closing = trace.stop()
    events = [event for event in events if event["report"]["kills"]]  # the others only waited
    kills = kernel_kills() - before
    check(len(events) == kills >= times, f"{kills} kills, {len(events)} events: {closing}")
    whole(events)
    check(all(event["kind"] == "global" for event in events), "an event that is not global")
    killed = [kill["comm"] for event in events for kill in event["report"]["kills"]]
    check("oomtrace" not in killed, "oomtrace was killed")


def gust(path, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        os.waitpid(child(path, hog), 0)


def storm(seconds, width=8):
    workers = []
    for number in range(width):
        path = cgroup(f"storm{number}", 3 << 20)
        pid = os.fork()
        if not pid:
            gust(path, seconds)
            os._exit(0)
        workers.append(pid)
    for pid in workers:
        os.waitpid(pid, 0)


def stopped(seconds):
    """Stopped for so long amid a storm: what is lost is counted exactly, and what comes later is whole.

    A second trace, which is not stopped and has room for all, tells how many records there were.
    """
    trace = Trace("-v", "--buffer", "256K")  # those by default hold more than a storm under emulation makes
    control = Trace("-v")
    before = kernel_kills()
    storm(2)
    trace.process.send_signal(signal.SIGSTOP)
    stopped_at = kernel_kills()
    while (while_stopped := kernel_kills() - stopped_at) < TOO_MANY:  # how many come in so long, the machine decides
        storm(seconds)
    trace.process.send_signal(signal.SIGCONT)
    caught_up(trace, control)
    stopped_kills = kernel_kills() - before
    later = cgroup("later", 8 << 20)
    for _ in range(3):
        oom(later)
    caught_up(trace, control)
    events, closing = trace.stop()
    kills = kernel_kills() - before
    of_later = [event for event in events if (event["report"]["memcg"] or {}).get("path") == "/later"]
    lost, received = lost_records(closing), records(trace)
    counted = sum(event["trace"]["records_lost"] for event in events)
    all_events, _ = control.stop()
    made = records(control)
    print(f"{stopped_kills} kills, {while_stopped} of them while it was stopped, then {kills - stopped_kills}; "
          f"{len(events)} events of {len(all_events)}, {len(of_later)} of the later; "
          f"{received} of {made} records received, {counted} are missing in events: {closing}")
    check(len(of_later) == 3, f"{len(of_later)} of 3 later OOMs")
    whole(of_later)
    check(lost_records(control.said()) == 0, "the second trace lost records, too")
    check(sum(len(event["report"]["kills"]) for event in all_events) == kills, "the second trace missed kills")
    check(lost > 0, "nothing was lost: the test tests nothing")
    check(received + lost == made, f"{received} records received, {lost} lost, {made} made")
    check(counted <= lost, f"the events miss {counted} records, the buffers {lost}")
    seen = sum(len(event["report"]["kills"]) for event in events)
    check(seen <= kills, f"{seen} kills seen, {kills} made")


def lost_records(said):
    return int(said.split(" records lost")[0].split()[-1]) if "records lost" in said else 0


def records(trace):
    return int(trace.said().split(" records received")[0].split()[-1])


def blocked(_):
    """Nobody reads standard output: memory stays bounded, that is said, and the captures are there. Nor do they stay
    away where nobody reads standard error, either (`2>&1 | less`)."""
    path = cgroup("blocked", 8 << 20)
    with open("/tmp/errors", "w+") as errors:
        check(into_a_stuck_pipe(path, "/tmp/captures", errors) == 1, "what was not written is no failure")
        errors.seek(0)
        said = errors.read()
    check("not written" in said and "20 OOMs" in said, said)
    into_a_stuck_pipe(path, "/tmp/captures2", None)


def into_a_stuck_pipe(path, folder, errors):
    """20 OOMs, more than a pipe holds of reports; the status. ``errors`` None: those go into the pipe, too."""
    os.mkfifo(f"{folder}-ready")
    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
    command = ["oomtrace", "--verify", "--ready-file", f"{folder}-ready", "-o", folder + "/"]
    process = subprocess.Popen(command, stdout=writer, stderr=writer if errors is None else errors)
    with open(f"{folder}-ready") as fifo:
        fifo.read()
    oom(path)
    until(lambda: len(glob.glob(folder + "/*.oom")) == 1, "the first capture")
    before_kb = own_kb(process.pid)
    for _ in range(19):
        oom(path)
    until(lambda: len(glob.glob(folder + "/*.oom")) == 20, "captures of 20 OOMs")
    grown_kb = own_kb(process.pid) - before_kb
    check(grown_kb < 16 << 10, f"it has grown by {grown_kb} kB")
    process.send_signal(signal.SIGINT)
    status = process.wait(PATIENCE_S)
    os.close(reader)
    os.close(writer)
    return status


def own_kb(pid):
    """The resident memory that is its own. Pages of files (Python, libraries) come and go with what goes on besides."""
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def full_disk(_):
    """Standard output is a full disk: that is said, and the captures are there."""
    folder, path = "/tmp/others", cgroup("full", 8 << 20)
    os.mkfifo("/tmp/ready2")
    command = f"exec oomtrace --ready-file /tmp/ready2 -o {folder}/ >/dev/full 2>/tmp/errors2"
    process = subprocess.Popen(["sh", "-c", command])
    with open("/tmp/ready2") as fifo:
        fifo.read()
    for _ in range(3):
        oom(path)
    until(lambda: len(glob.glob(folder + "/*.oom")) == 3, "captures of 3 OOMs")
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE_S)
    with open("/tmp/errors2") as errors:
        said = errors.read()
    check("No space left on device" in said and "3 reports not written" in said, said)
    check(process.returncode == 1, f"status {process.returncode}")


def two(_):
    """Two at once see the same."""
    traces = [Trace(), Trace()]
    path = cgroup("two", 8 << 20)
    for _ in range(3):
        oom(path)
    time.sleep(2)
    found = [trace.stop()[0] for trace in traces]
    for events in found:
        check(len(events) == 3, f"{len(events)} events of 3")
        whole(events)
    pids = [[kill["pid"] for event in events for kill in event["report"]["kills"]] for events in found]
    check(pids[0] == pids[1], f"they saw different kills: {pids}")


def behind(seconds):
    """Asked to end after a storm for so long, it tells how much is left; asked once more, it leaves that out and
    counts it. Two signals at once are one, as timeout(1) sends them."""
    trace, before = Trace(), kernel_kills()
    storm(seconds)
    kills, begin = kernel_kills() - before, time.monotonic()
    for _ in range(2):
        trace.process.send_signal(signal.SIGINT)
    until(lambda: "reports still to be written" in trace.said(), f"a word of what is left of {kills}")
    told = time.monotonic()
    time.sleep(2)
    check(trace.process.poll() is None, f"two signals have ended it: {trace.said()}")
    again = time.monotonic()
    events, closing = trace.stop()
    took = time.monotonic() - again
    left = int(closing.split(" more not written")[0].split()[-1])
    whole(event for event in events if event["report"]["kills"])
    print(f"{kills} kills; told after {told - begin:.1f} s; then ended in {took:.1f} s with {len(events)} events, "
          f"{left} left out\n{trace.said()}")
    check(trace.process.returncode == 1, f"status {trace.process.returncode}")
    check(len(events) and left and len(events) + left >= kills, f"{len(events)} events and {left} of {kills} kills")


def modules_and_cpus(_):
    """A kernel module comes and goes, a CPU goes and comes back: reports stay whole on each CPU."""
    trace = Trace()
    path = cgroup("moving", 8 << 20)
    module = next((name for name in ("dummy", "loop", "tun", "zram") if not subprocess.run(
        ["modprobe", name], stderr=subprocess.DEVNULL).returncode), None)
    oom(path)
    until(lambda: os.path.getsize(f"{trace.folder}/out"), "the first event")  # only now does it look for CPUs
    check(module, "there is no module to load")
    subprocess.run(["modprobe", "-r", module], check=True)
    oom(path)
    all_there = buffers(trace)
    for online in (0, 1):
        write(CPU1, online)
        # An OOM on a CPU that is back, before the trace has heard of that, is not seen.
        until(lambda: (buffers(trace) == all_there) == bool(online),  # noqa: B023 (called at once)
              f"the buffers of the CPU that has {'come' if online else 'gone'}")
        oom(path)
    for _ in range(4):  # for a CPU that comes, cpusets set the affinity of processes anew, some time later
        os.sched_setaffinity(0, {1})
        oom(path)
    time.sleep(2)
    events, closing = trace.stop()
    check(len(events) == 8, f"{len(events)} events of 8: {closing}")
    whole(events)
    cpus = [event["report"]["trigger"]["cpu"] for event in events]
    print(f"module {module}, CPUs {cpus}")
    check(1 in cpus[3:], "no OOM was on CPU 1 once it was back")


def _probes():
    with open("/sys/kernel/debug/kprobes/list") as lines:
        return len(lines.readlines())


def _used_kb():
    with open("/proc/meminfo") as lines:
        values = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return values["SUnreclaim"] + values["VmallocUsed"] + values.get("Percpu", 0)


def attach_and_detach(times):
    """Again and again in one process: no probe, no descriptor, no memory is left behind."""
    sys.path.insert(0, CHECKOUT)
    from oomtrace.session.trace import LiveTrace

    if not os.path.isdir("/sys/kernel/debug/kprobes"):
        subprocess.run(["mount", "-t", "debugfs", "debugfs", "/sys/kernel/debug"], check=True)

    def once():
        trace = LiveTrace.start(lambda _: None, lambda _: None)
        for _event in trace.events(time.monotonic() + 0.05):
            pass
        trace.close()
        gc.collect()  # types that ctypes makes refer to themselves

    def state():
        return len(os.listdir("/proc/self/fd")), _probes(), own_kb("self"), _used_kb()

    once()
    once()
    def left(now):
        """What is not as it was before."""
        found = {"descriptors": now[0] != before[0], "probes": now[1] != before[1],
                 "memory of the process": now[2] >= before[2] + 16384 + 20 * times,
                 "memory of the kernel": now[3] >= before[3] + 4096 + 64 * times}
        return [what for what, there in found.items() if there]

    time.sleep(2)
    before = state()
    for _ in range(times):
        once()
    deadline = time.monotonic() + PATIENCE_S
    time.sleep(2)
    while left(after := state()) and time.monotonic() < deadline:
        time.sleep(1)  # maps and programs are freed after RCU's grace period
    print(f"descriptors, probes, anonymous kB, kernel kB: {before}, after {times} times {after}")
    check(not left(after), f"left behind: {', '.join(left(after))}")


CASES = {
    "global": global_ooms, "stopped": stopped, "blocked": blocked, "full-disk": full_disk, "two": two,
    "modules-cpus": modules_and_cpus, "attach": attach_and_detach, "behind": behind,
}


def main():
    for word in sys.argv[1:]:
        name, _, count = word.partition("=")
        print(f"staying alive: {name}", file=sys.stderr)
        CASES[name](int(count or 1))
        print(f"{name}: ok", flush=True)


if __name__ == "__main__":
    main()

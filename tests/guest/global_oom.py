"""Run in a guest: OOMs that are not a memory cgroup's, one after the other.

    global_oom.py NAME…

    global      all memory is taken
    burst       the OOM killer is asked for a dozen times: beyond the ten reports that the rate limit lets pass
    cpuset      the memory of node 1 is taken by a task that may use no other (cgroup v2)
    mempolicy   the memory of node 1 is taken by a task that has bound itself to it
    sysrq       the OOM killer is asked for
    slab        as sysrq, when the kernel's own objects are more than all other memory
    nokillable  as sysrq, when no task may be killed: the last one

Exits 0 when all came as they should. Standard library only. Takes the machine's memory: only for a guest.
"""

import ctypes
import mmap
import os
import resource
import signal
import socket
import sys
import time

PAGE = 4096
MIB = 1 << 20
MPOL_BIND = 2
SYS_SET_MEMPOLICY = 238


def write(path, value):
    with open(path, "w") as file:
        file.write(str(value))


def child(name, adj, body):
    """Fork a process that runs body; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        write("/proc/self/oom_score_adj", adj)
        write("/proc/self/comm", name)
        body()
    finally:
        os._exit(1)


def fill(mib):
    """Touch that much memory; a hog's own pages are all that it needs to go on."""
    for _ in range(mib):
        area = mmap.mmap(-1, MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        areas.append(area)
        for at in range(0, MIB, PAGE):
            area[at] = 1


areas = []


def hog():
    fill(1 << 20)


def bound_hog():
    mask = ctypes.c_ulong(2)
    if ctypes.CDLL(None).syscall(SYS_SET_MEMPOLICY, MPOL_BIND, ctypes.byref(mask), 64):
        os._exit(2)
    hog()


def confined_hog():
    root = "/sys/fs/cgroup"
    write(root + "/cgroup.subtree_control", "+cpuset")
    os.makedirs(root + "/near", exist_ok=True)
    write(root + "/near/cpuset.mems", "1")
    write(root + "/near/cgroup.procs", os.getpid())
    hog()


def killed(pid):
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    print(f"status {status}", file=sys.stderr)
    return False


def sysrq():
    pid = child("asked for", 900, lambda: (fill(16), time.sleep(3600)))
    time.sleep(1)
    write("/proc/sysrq-trigger", "f")
    return killed(pid)


def hoard():
    """Messages that nobody reads, 400 KiB in each pair of sockets."""
    for _ in range(700):
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        areas.append(pair)
        for end in pair:
            end.setblocking(False)
            try:
                while True:
                    end.send(b"x" * 1500)
            except BlockingIOError:
                pass


def slab():
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    write("/proc/sys/net/unix/max_dgram_qlen", 1000)
    read, done = os.pipe()
    pid = child("hoarder", 1000, lambda: (hoard(), os.write(done, b"x"), time.sleep(3600)))
    os.read(read, 1)
    write("/proc/sys/vm/drop_caches", 3)
    write("/proc/sysrq-trigger", "f")
    return killed(pid)


def burst():
    """The kernel prints ten reports in five seconds (mm/oom_kill.c, oom_rs)."""
    pids = [child(f"sleeper {number}", 1000, lambda: time.sleep(3600)) for number in range(12)]
    time.sleep(1)
    for _ in pids:
        write("/proc/sysrq-trigger", "f")
        os.wait()  # a request that comes while another is pending is dropped
    return True


def nokillable():
    """Every task is exempt; sysrq then says so and goes on."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            write(f"/proc/{pid}/oom_score_adj", -1000)
        except OSError:
            continue
    write("/proc/sysrq-trigger", "f")
    time.sleep(1)
    return True


SCENARIOS = {
    "global": lambda: killed(child("hog", 0, hog)),
    "slab": slab,
    "burst": burst,
    "cpuset": lambda: killed(child("confined hog", 0, confined_hog)),
    "mempolicy": lambda: killed(child("bound hog", 0, bound_hog)),
    "sysrq": sysrq,
    "nokillable": nokillable,
}

if __name__ == "__main__":
    write("/proc/self/oom_score_adj", -1000)
    failed = [name for name in sys.argv[1:] if not SCENARIOS[name]()]
    sys.exit("failed: " + ", ".join(failed) if failed else 0)

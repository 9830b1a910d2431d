"""Run in a guest: one OOM in the memory cgroup /foo, with bystanders of several users and oom_score_adj.

    memcg_oom.py [--limit-mib 48] [--path /foo] [--victim-path /foo]

Exits 0 when the hog has been killed. Standard library only.
"""

import argparse
import mmap
import os
import signal
import sys
import time

PATIENCE_S = 60  # for what takes a moment


def memory_root():
    """(mount point of the memory controller, cgroup version)."""
    with open("/proc/self/mounts") as mounts:
        for line in mounts:
            _, path, kind, options = line.split()[:4]
            if kind == "cgroup" and "memory" in options.split(","):
                return path, 1
    return "/sys/fs/cgroup", 2


def write(path, value):
    with open(path, "w") as file:
        file.write(str(value))


def make(root, version, path, limit=None):
    """Create the cgroups on the way to path; the limit goes to the first of them."""
    at = root
    for i, name in enumerate(path.strip("/").split("/")):
        if version == 2 and i:
            write(at + "/cgroup.subtree_control", "+memory")
        at += "/" + name
        os.makedirs(at, exist_ok=True)
        if not i and limit:
            write(at + ("/memory.max" if version == 2 else "/memory.limit_in_bytes"), limit)
    return at


def child(cgroup, uid, adj, name, body):
    """Fork a process into the cgroup; returns its pid once it is there and has run the first step of body."""
    ready, go = os.pipe()
    pid = os.fork()
    if pid:
        os.close(go)
        if not os.read(ready, 1):
            sys.exit(f"{name} ended with status {os.waitpid(pid, 0)[1]} before it was ready")
        os.close(ready)
        return pid
    os.close(ready)
    write("/proc/self/oom_score_adj", adj)
    write(cgroup + "/cgroup.procs", os.getpid())
    write("/proc/self/comm", name)
    os.setuid(uid)
    steps = body()
    next(steps)
    os.write(go, b"x")
    os.close(go)
    for _ in steps:
        pass
    os._exit(0)


def asleep(pid):
    """Wait until it sleeps. On its way there it may still write to a page that it shares with us: it would be charged
    for the copy, and might be the one who asks for the last page."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with open(f"/proc/{pid}/stat") as file:
            state = file.read().rsplit(")", 1)[1].split()[0]
        if state == "S":
            return
        if time.monotonic() > deadline:
            sys.exit(f"{pid} does not sleep: {state}")
        time.sleep(0.01)


def anonymous(size):
    return mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def sleeper(mib):
    def steps():
        area = anonymous(max(mib, 1) << 20)
        for at in range(0, mib << 20, 4096):
            area[at] = 1
        yield
        while True:
            time.sleep(3600)

    return steps


def hog():
    yield
    time.sleep(0.05)
    areas = []
    while True:
        areas.append(anonymous(1 << 20))
        for at in range(0, 1 << 20, 4096):
            areas[-1][at] = 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit-mib", type=int, default=48)
    parser.add_argument("--path", default="/foo")
    parser.add_argument("--victim-path")
    arguments = parser.parse_args()
    root, version = memory_root()
    full = make(root, version, arguments.path, arguments.limit_mib << 20)
    inner = make(root, version, arguments.victim_path) if arguments.victim_path else full
    bystanders = [
        child(inner, 0, 0, "sleeper one", sleeper(2)),
        child(inner, 1000, 100, "worker", sleeper(3)),
        child(inner, 65534, -500, "nobody's", sleeper(1)),
        child(inner, 33, 300, "www) x", sleeper(1)),
    ]
    for other in bystanders:
        asleep(other)
    pid = child(inner, 0, 0, "hog", hog)
    _, status = os.waitpid(pid, 0)
    for other in bystanders:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    print(f"hog {pid}: {'killed' if killed else status}")
    return 0 if killed else 1


if __name__ == "__main__":
    sys.exit(main())

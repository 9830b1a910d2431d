"""Run in a guest: OOMs of which each leaves a trace only as long as it lasts; traced; what the looks have of them.

    dying.py [NAME…]

    who       a command line with a secret in it, in a pid namespace of its own, beside a dozen others
    short     a program that is killed as soon as it has started
    children  two memcgs with limits of their own below the one that is full
    heap      small objects of Python, and stacks of threads
    mapped    mappings of each kind: named, locked, huge, swapped, …
    tmpfs     a file on /dev/shm that nobody has open any more, and a memfd
    sysv      System V segments, and a file that is deleted but open
    cache     a file that is open and half written, and one that is mapped
    sockets   data in socket buffers
    pipes     data in pipes
    machine   the whole machine
    stuck     a process whose root is a FUSE file system that does not answer
    unit      a unit of systemd's, where it runs
    session   a login session, where systemd runs
    go, jvm   programs of Go and Java, if they are in /root/put

Each but ``short`` fills nine tenths of a memcg's limit, waits, and goes on. While it waits, the readers look at it with
time enough for an emulated machine; the trace's own looks have a budget. Prints a line of JSON for each: its name, what
is missing in either (empty if nothing is), what is missing where the trace's looks stand alone, the headline, what is
said of it, and what the looks cut.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional

import dying_seen
from dying_work import BALLOON, CGROUPS, CLONE_NEWPID, LIMIT, LIMITS, MIB, PROGRAMS, child, libc

OF_SYSTEMD = {"unit": "/shop.slice/etl-load.service", "session": "/user.slice/user-1000.slice/session-7.scope"}
SAID = ("killed", "anonymous", "shared", "cached", "kernel_users", "history")
own_looks: dict[str, dict[str, Any]] = {}
read: list[str] = []  # of what the trace has told


def usual() -> list[str]:
    """Those that this machine can have."""
    names = ["who", "short", "children", "heap", "mapped", "tmpfs", "sysv", "cache", "sockets", "pipes", "stuck"]
    names += OF_SYSTEMD if os.path.isdir("/run/systemd/system") else ()
    names += [name for name, path in (("go", "dying-go"), ("jvm", "jre")) if (PROGRAMS / path).exists()]
    return [*names, "machine"]


def path_of(name: str) -> str:
    """The path of its memcg with the limit."""
    return OF_SYSTEMD.get(name, f"/dying-{name}")


def ended(process: subprocess.Popen[bytes]) -> Optional[int]:
    """How it ended; None if it has not after a minute."""
    for _ in range(600):
        if process.poll() is not None:
            return process.returncode
        time.sleep(0.1)
    return None


def make_memcg(name: str) -> Path:
    """Its memcg; returns the one that its processes go to."""
    memcg = CGROUPS / f"dying-{name}"
    memcg.mkdir(exist_ok=True)
    (memcg / "memory.max").write_text(str(LIMITS.get(name, LIMIT)))
    with_swap = memcg / "memory.swap.max"
    if with_swap.exists() and name != "mapped":
        with_swap.write_text("0")
    if name != "children":
        return memcg
    (memcg / "cgroup.subtree_control").write_text("+memory")
    for below in ("one", "two"):
        (memcg / below).mkdir(exist_ok=True)
        (memcg / below / "memory.max").write_text(str(LIMIT - MIB // 2 * (below == "one")))
    return memcg / "two"


def popen(name: str) -> subprocess.Popen[bytes]:
    """Run it as a program of its own, so that it has a command line."""
    command = [sys.executable, __file__, "--child", name, "--password", "hunter2"]
    if name in OF_SYSTEMD:
        _, *slices, unit = path_of(name).split("/")
        how = [f"--unit={unit}", f"--slice={slices[-1]}", "-p", f"MemoryMax={LIMIT}", "-p", "MemorySwapMax=0"]
        if name == "unit":
            wait = f'"$@" && while systemctl --quiet is-active {unit}; do sleep 0.3; done'  # --wait needs D-Bus
            return subprocess.Popen(["sh", "-c", wait, "sh", "systemd-run", "--quiet", "-p", "OOMScoreAdjust=0", *how,
                                     *command])
        Path("/proc/self/oom_score_adj").write_text("0")
        logged_in = ["sh", "-c", 'echo 0 >/proc/self/loginuid; "$@"; exit $?', "sh", *command]
        process = subprocess.Popen(["systemd-run", "--quiet", "--scope", *how, *logged_in])
        Path("/proc/self/oom_score_adj").write_text("-1000")
        return process
    memcg = make_memcg(name)

    def enter() -> None:
        Path("/proc/self/oom_score_adj").write_text("0")
        (memcg / "cgroup.procs").write_text(str(os.getpid()))
        if name == "who":
            libc.unshare(CLONE_NEWPID)

    if name == "who":  # the first of a pid namespace is the child of who made it
        command = ["sh", "-c", '"$@"; exit $?', "sh", *command]
    return subprocess.Popen(["tail", "--follow", "/dev/zero"] if name == "short" else command, preexec_fn=enter)


def reported(memcg: str) -> Optional[float]:
    """Seconds until the trace has told of its OOM; None if it has not after a minute."""
    before = time.monotonic()
    while time.monotonic() < before + 60:
        if f'"{memcg}"'.encode() in Path("/root/events").read_bytes():
            return time.monotonic() - before
        time.sleep(0.1)
    return None


def start(name: str) -> Optional[int]:
    """Run it to its end; returns how it ended."""
    process = popen(name)
    if name == "short":
        return ended(process)
    for _ in range(600):
        if name == "stuck" or os.path.exists(f"/root/paused-{name}") or process.poll() is not None:
            break
        time.sleep(0.1)
    else:
        print(f"{name}: it has not come near its limit after a minute", file=sys.stderr)
    own_looks[name] = look_at(path_of(name))
    Path(f"/root/seen-{name}").write_text("x")
    status = ended(process)
    if name == "stuck":
        told_after = reported(path_of(name))
        print(f"stuck: told {told_after} s after the kill", file=sys.stderr)
        Path("/root/stuck-for").write_text(str(told_after))
        os.kill(int(Path("/root/stuck-server").read_text()), signal.SIGKILL)
    return status


def look_at(memcg: Optional[str]) -> dict[str, Any]:
    """By the readers, with time enough, as JSON has it."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from oomtrace.plain import to_plain
    from oomtrace.witness import Budget, Reader

    found: dict[str, Any] = to_plain(Reader().look(memcg, (), Budget(10**12, 1 << 30)))
    return found


def ticks() -> int:
    """CPU time of the trace and of the process that looks."""
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"-m\0oomtrace\0" in (process / "cmdline").read_bytes():
                found += sum(map(int, (process / "stat").read_text().rsplit(")", 1)[1].split()[11:13]))  # utime, stime
    return found


def settle() -> None:
    """Wait until the trace and the process that looks have loaded what they need: their CPU time stands still. The
    trace does so after it has said that it is ready, and tells the other one then."""
    before, still = 0, 0
    for _ in range(120):
        now = ticks()
        still = still + 1 if now == before and now > 10 else 0
        if still == 3:
            return
        before = now
        time.sleep(2)
    print(f"the trace is still at work: {before} ticks", file=sys.stderr)


def swap_in_memory() -> None:
    """zram as swap, if this kernel has it; with zswap before it for a part, if it has that."""
    subprocess.run(["modprobe", "zram"])
    if not os.path.exists("/sys/block/zram0"):
        return
    Path("/sys/block/zram0/disksize").write_text("64M")
    subprocess.run(["mkswap", "/dev/zram0"], stdout=subprocess.DEVNULL)
    subprocess.run(["swapon", "/dev/zram0"])


def balloon() -> None:
    """Give the host what it wants, if this guest has a balloon and it wants any."""
    subprocess.run(["modprobe", "virtio_balloon"])
    for _ in range(50):
        counts = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
        if int(counts.get("balloon_inflate", 0)) * 4096 >= BALLOON:
            Path("/root/balloon").write_text("")
            return
        if not list(Path("/sys/bus/virtio/drivers/virtio_balloon").glob("virtio*")):
            return
        time.sleep(0.2)


def zswap() -> None:
    """From now on what is swapped goes there first, a fifth of memory at most; let it be little."""
    try:
        Path("/sys/module/zswap/parameters/max_pool_percent").write_text("1")
        Path("/sys/module/zswap/parameters/enabled").write_text("Y")
        Path("/root/zswap").write_text("")
    except OSError as error:
        print(f"no zswap: {error}", file=sys.stderr)


HUGE_USER = """
import mmap, time
open("/proc/self/comm", "w").write("huge-user")
area = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)
area[0] = area[2 << 20] = 1
print(flush=True)
time.sleep(3600)
"""
HOG = """
import mmap
kept = []
while True:
    kept.append(mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    for at in range(0, 1 << 20, 4096): kept[-1][at:at + 9] = b"%9d" % (at ^ len(kept))
"""


def whole_machine() -> Optional[int]:
    """All memory is taken by a process in no memcg with a limit, beside one with huge pages."""
    Path("/proc/sys/vm/nr_hugepages").write_text("4")
    user = subprocess.Popen([sys.executable, "-c", HUGE_USER], stdout=subprocess.PIPE)
    assert user.stdout is not None
    user.stdout.readline()
    zswap()
    balloon()

    def enter() -> None:
        Path("/proc/self/oom_score_adj").write_text("500")

    status = ended(subprocess.Popen([sys.executable, "-c", HOG], preexec_fn=enter))
    user.kill()
    return status


def entries() -> Iterator[dict[str, Any]]:
    """What the trace has told since this was asked last."""
    for line in Path("/root/events").read_text().split("\n")[:-1][len(read):]:
        read.append(line)
        yield json.loads(line)


def traced(names: list[str]) -> Iterator[dict[str, Any]]:
    """Run them under a trace; its entries, as they come."""
    Path("/root/ready").unlink(missing_ok=True)
    os.mkfifo("/root/ready")
    with open("/root/events", "wb") as out, open("/root/err", "wb") as err:
        trace = subprocess.Popen(["oomtrace", "trace", "--format", "jsonl", "--ready-file", "/root/ready"],
                                 stdout=out, stderr=err)
        if not Path("/root/ready").read_text().strip():
            sys.exit(Path("/root/err").read_text())
        settle()
        for name in names:
            before = time.monotonic()
            status = whole_machine() if name == "machine" else start(name)
            print(name, status, f"{time.monotonic() - before:.1f} s", file=sys.stderr, flush=True)
            time.sleep(1)
            yield from entries()
        time.sleep(3)
        trace.send_signal(signal.SIGTERM)
        trace.wait()
    print(Path("/root/err").read_text()[-2000:], file=sys.stderr)
    yield from entries()


def told(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """What is printed of an event."""
    looks = list(reversed((entry["event"]["witness"] or {}).get("looks", [])))
    own = dying_seen.Seen(name, path_of(name), entry, looks)
    also = [own_looks[name]] if name in own_looks else []
    both = dying_seen.Seen(name, path_of(name), entry, looks + also)
    found = [(look["occasion"], look["cpu_ns"] // 1000, look["cut"]) for look in both.looks]
    return {"name": name, "missing": dying_seen.missing(both), "not by the trace": dying_seen.missing(own),
            "headline": entry["explanation"]["headline"], "said": {key: both.said.get(key) for key in SAID},
            "looks": found, "usage_kb": both.usage_kb(path_of(name))}


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    names = sys.argv[1:] or usual()
    (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    subprocess.run(["modprobe", "fuse"])
    if {"mapped", "machine"} & set(names):
        swap_in_memory()
    for entry in traced(names):
        report = entry["event"]["report"]
        if not report["kills"]:
            continue
        path = (report["memcg"] or {}).get("path") or path_of("machine")
        name = next((name for name in names if path_of(name) == path), path)
        print(json.dumps(told(name, entry)), flush=True)


if __name__ == "__main__":
    main()

"""Run in a guest: OOMs of which each leaves a trace only as long as it lasts; traced; what the looks have of them.

    dying.py [NAME…]

    who       a command line with a secret in it, in a pid namespace of its own
    heap      small objects of Python, and stacks of threads
    tmpfs     a file on /dev/shm that nobody has open any more, and a memfd
    cache     a file that is open and half written
    sockets   data in socket buffers
    machine   the whole machine
    stuck     a process whose root is a FUSE file system that does not answer

Each fills nine tenths of a memcg's limit, waits, and goes on. While it waits, the readers look at it with time enough
for an emulated machine; the trace's own looks have a budget. Prints a line of JSON for each: its name, what is missing
in either (empty if nothing is), the headline, what is said of it, and what the trace's looks cut.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional

MIB = 1 << 20
LIMIT = 48 * MIB
CGROUPS = Path("/sys/fs/cgroup")
PAUSE_S = 3.0  # while somebody may look
CLONE_NEWPID, CLONE_NEWNS = 0x20000000, 0x00020000
MS_PRIVATE_ALL = 0x44000  # MS_PRIVATE | MS_REC
libc = ctypes.CDLL(None, use_errno=True)
kept: list[Any] = []


def called(status: int) -> None:
    """Raises OSError if a function of libc's has failed."""
    if status:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def touch(size: int) -> None:
    """Take anonymous memory."""
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for at in range(0, size, 4096):
        area[at] = 1
    kept.append(area)


def used() -> int:
    """Of the limit."""
    own = Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2]
    return int((CGROUPS / own.strip("/") / "memory.current").read_text())


def until(share: float, step: int = MIB // 4) -> None:
    """Take more until so much of the limit is in use."""
    while used() < LIMIT * share:
        touch(step)


def who() -> None:
    until(0.93)


def heap() -> None:
    for _ in range(3):
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    kept.append([bytearray(200) for _ in range(100_000)])  # 25 MiB
    until(0.93)


def tmpfs() -> None:
    with open("/dev/shm/ring", "wb") as file:
        for _ in range(24):  # all at once, the bytes and the file together would be the whole limit
            file.write(b"x" * MIB)
    ring = os.memfd_create("frames")
    for _ in range(6):
        os.write(ring, b"x" * MIB)
    until(0.93)


def cache() -> None:
    file = os.open("/root/half-written", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for _ in range(24):
        os.write(file, b"x" * MIB)
    until(0.93)


def sockets() -> None:
    size = int(Path("/proc/sys/net/core/wmem_max").read_text())
    for _ in range(40):
        one, two = socket.socketpair()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        one.setblocking(False)
        kept.append((one, two))
        with suppress(BlockingIOError):
            while used() < LIMIT * 0.6:  # kernels differ in what a socket takes
                one.send(b"x" * 16384)
    until(0.93)


def serve(fuse: int) -> None:
    """Answers FUSE_INIT and FUSE_GETATTR (include/uapi/linux/fuse.h), so that a process can have it as its root; any
    other request waits for as long as this process lives: it ends with the one that made it."""
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    while True:
        request = os.read(fuse, 1 << 17)
        _, opcode, unique = struct.unpack_from("IIQ", request)
        if opcode == 26:
            answer = struct.pack("IIIIHHIIHH8I", 7, 31, 0, 0, 1, 1, 4096, 1, 0, 0, *[0] * 8)
        elif opcode == 3:
            answer = struct.pack("QII6Q10I", 1 << 30, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
        else:
            continue
        os.write(fuse, struct.pack("IiQ", 16 + len(answer), 0, unique) + answer)


def stuck() -> None:
    """Its root is a FUSE file system that answers no lookup."""
    until(0.65)
    called(libc.unshare(CLONE_NEWNS))
    called(libc.mount(b"none", b"/", None, MS_PRIVATE_ALL, None))
    fuse = os.open("/dev/fuse", os.O_RDWR)
    os.makedirs("/root/stuck", exist_ok=True)
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,default_permissions".encode()
    called(libc.mount(b"stuck", b"/root/stuck", b"fuse.stuck", 0, options))
    if not os.fork():
        serve(fuse)
    os.close(fuse)
    os.chroot("/root/stuck")
    os.chdir("/")
    hanging = threading.Thread(target=os.path.exists, args=("/etc/passwd",), daemon=True)
    hanging.start()
    hanging.join(0.5)
    if not hanging.is_alive():
        raise SystemExit("the file system answers")


SCENARIOS: dict[str, Callable[[], None]] = {
    "who": who, "heap": heap, "tmpfs": tmpfs, "cache": cache, "sockets": sockets, "stuck": stuck,
}


def child(name: str) -> None:
    """In the memcg: near the limit, a pause, and on."""
    SCENARIOS[name]()
    while name == "stuck":  # nobody can be asked any more how much is in use: about two seconds to the limit
        touch(MIB // 8)
        time.sleep(0.05)
    Path(f"/root/paused-{name}").write_text(str(os.getpid()))
    time.sleep(PAUSE_S)
    while not os.path.exists(f"/root/seen-{name}"):
        time.sleep(0.1)
    while True:
        touch(MIB // 4)


def ended(process: subprocess.Popen[bytes]) -> Optional[int]:
    """How it ended; None if it has not after a minute."""
    for _ in range(600):
        if process.poll() is not None:
            return process.returncode
        time.sleep(0.1)
    return None


def start(name: str) -> Optional[int]:
    """Run it as a program of its own, so that it has a command line; returns how it ended."""
    memcg = CGROUPS / f"dying-{name}"
    memcg.mkdir(exist_ok=True)
    (memcg / "memory.max").write_text(str(LIMIT))
    with_swap = memcg / "memory.swap.max"
    if with_swap.exists():
        with_swap.write_text("0")

    def enter() -> None:
        Path("/proc/self/oom_score_adj").write_text("0")
        (memcg / "cgroup.procs").write_text(str(os.getpid()))
        if name == "who":
            libc.unshare(CLONE_NEWPID)

    command = [sys.executable, __file__, "--child", name, "--password", "hunter2"]
    if name == "who":  # the first of a pid namespace is the child of who made it
        command = ["sh", "-c", '"$@"; exit $?', "sh", *command]
    process = subprocess.Popen(command, preexec_fn=enter)
    for _ in range(600):
        if name == "stuck" or os.path.exists(f"/root/paused-{name}") or process.poll() is not None:
            break
        time.sleep(0.1)
    own_looks[name] = look_at(f"/dying-{name}")
    Path(f"/root/seen-{name}").write_text("x")
    return ended(process)


own_looks: dict[str, dict[str, Any]] = {}


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


def whole_machine() -> Optional[int]:
    """All memory is taken by a process in no memcg with a limit."""

    def enter() -> None:
        Path("/proc/self/oom_score_adj").write_text("500")

    return ended(subprocess.Popen([sys.executable, "-c", "\n".join((
        "import mmap, time",
        "kept = []",
        "while True:",
        "    kept.append(mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))",
        "    for at in range(0, 1 << 20, 4096): kept[-1][at] = 1"))], preexec_fn=enter))


def witness(entry: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The looks, the last first, and the victim as one of them saw it."""
    event = entry["event"]
    victim = event["report"]["kills"][0]["pid"]
    looks = list(reversed((event["witness"] or {}).get("looks", [])))
    path = (event["report"]["memcg"] or {}).get("path") or "/dying-machine"
    looks += [own_looks[name] for name in own_looks if path == f"/dying-{name}"]
    tasks = [task for look in looks for task in look["tasks"] if task["pid"] == victim and task["cmdline"]]
    by_kernel = [task for task in (event["witness"] or {}).get("tasks", []) if task["pid"] == victim]
    return looks, tasks[0] if tasks else by_kernel[0] if by_kernel else {}


def history(entry: dict[str, Any], memcg: str) -> list[int]:
    """Its usage by the second."""
    return [moment["usage_kb"] for each in entry["event"]["trace"]["history"] if each["memcg"] == memcg
            for moment in each["seconds"]]


def missing(name: str, entry: dict[str, Any]) -> list[str]:
    """What the event should have and has not."""
    looks, task = witness(entry)
    pid = entry["event"]["report"]["kills"][0]["pid"]
    found: list[tuple[str, Any]] = []
    if name != "machine":
        words = task.get("cmdline") or []
        found += [("command line", "--child" in words), ("secret masked", words[-1:] == ["***"]),
                  ("user", task.get("user") == "root" or name == "stuck"), ("parent", task.get("parent_comm")),
                  ("executable", task.get("exe")), ("age", task.get("age_ns"))]
    own = (entry["event"]["witness"] or {}).get("looks", [])  # the trace's
    found.append(("looks", own))
    if name != "machine":
        usage_kb = history(entry, f"/dying-{name}")
        found += [("look before", own and own[0]["occasion"] == "near limit"), ("history", len(usage_kb) >= 2),
                  ("history's end", usage_kb and 0.97 * LIMIT < usage_kb[-1] * 1024 <= LIMIT)]
    if name == "who":
        found.append(("pids", len(task.get("ns_pids", [])) == 2 and task["ns_pids"][0] == pid))
    memory = [each for look in looks for each in look["anonymous"] if each["pid"] == pid]
    rows = {row["area"]: row for each in memory[:1] for row in each["mappings"]}
    if name == "heap":
        python = sum((rows[area]["rss_kb"] or 0) for area in ("heap", "Python arenas", "anonymous") if area in rows)
        found += [("mappings", python > 20 << 10), ("threads", any(each["threads"] == 4 for each in memory))]
    files = {file["name"]: file for look in looks if look["shared"] for file in look["shared"]["files"]}
    if name == "tmpfs":
        ring, frames = files.get("/dev/shm/ring", {}), files.get("memfd:frames", {})
        found += [("ring", ring.get("kb", 0) >= 24 << 10), ("in nobody", ring.get("holders") == []),
                  ("age", ring.get("age_ns")), ("memfd", frames.get("kb") == 6 << 10),
                  ("memfd's holder", [one["pid"] for one in frames.get("holders", [])] == [pid])]
    if name == "cache":
        cached = [one for look in looks if look["cache"] for one in look["cache"]["files"]
                  if one["path"] == "/root/half-written"]
        found += [("file", cached and cached[0]["cached_kb"] > 10 << 10),
                  ("who", cached and [one["pid"] for one in cached[0]["holders"]] == [pid])]
    items = [item for look in looks if look["kernel"] for item in look["kernel"]["items"]]
    if name == "sockets":
        own = [item for item in items if item["use"] == "socket" and pid in [one["pid"] for one in item["holders"]]]
        found.append(("sockets", sum(item["kb"] for item in own) > 200))
    if name == "machine":
        whole = [look["kernel"] for look in looks if look["memcg"] is None and look["kernel"]]
        uses = {(item["use"], item["source"]) for item in items}
        found += [("look", whole), ("slab caches", ("slab", "/proc/slabinfo") in uses),
                  ("vmalloc by caller", ("vmalloc", "/proc/vmallocinfo") in uses),
                  ("unexplained", whole and whole[0]["unexplained_kb"] is not None)]
    return [what for what, there in found if not there]


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    names = sys.argv[1:] or [*SCENARIOS, "machine"]
    (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    subprocess.run(["modprobe", "fuse"])
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
            if name == "machine":
                own_looks[name] = look_at(None)
            status = whole_machine() if name == "machine" else start(name)
            print(name, status, f"{time.monotonic() - before:.1f} s", file=sys.stderr)
            time.sleep(1)
        time.sleep(3)
        trace.send_signal(signal.SIGTERM)
        trace.wait()
    print(Path("/root/err").read_text()[-2000:], file=sys.stderr)
    for line in Path("/root/events").read_text().splitlines():
        entry = json.loads(line)
        report = entry["event"]["report"]
        if not report["kills"]:
            continue
        path = (report["memcg"] or {}).get("path") or "/dying-machine"
        name = path.rpartition("-")[2]
        said = {finding["id"]: finding["sentence"] for finding in entry["explanation"]["findings"]}
        looks = [(look["occasion"], look["cpu_ns"] // 1000, look["cut"]) for look in witness(entry)[0]]
        print(json.dumps({"name": name, "missing": missing(name, entry), "headline": entry["explanation"]["headline"],
                          "said": {key: said.get(key) for key in ("killed", "anonymous", "shared", "cached",
                                                                  "kernel_users")}, "looks": looks,
                          "usage_kb": history(entry, path)}))


if __name__ == "__main__":
    main()

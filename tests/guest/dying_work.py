"""What the processes do that dying.py has killed: each fills nine tenths of a memcg's limit in a way of its own."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

MIB = 1 << 20
LIMITS = {"jvm": 128 * MIB}  # of the memcg; that of others is the next
LIMIT = 48 * MIB
BALLOON = 32 * MIB  # at least, if there is one
PROGRAMS = Path("/root/put")  # where those of Go and Java are, if somebody has brought them
CGROUPS = Path("/sys/fs/cgroup")
CLONE_NEWPID, CLONE_NEWNS = 0x20000000, 0x00020000
MS_PRIVATE_ALL = 0x44000  # MS_PRIVATE | MS_REC
MADV_HUGEPAGE, MADV_PAGEOUT = 14, 21
PR_SET_PDEATHSIG, PR_SET_VMA = 1, 0x53564D41
F_SETPIPE_SZ = 1031
MAP_RESERVED = 0x100022  # MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS
IPC_CREAT = 0o1000
THREADS = 40  # whose stacks together are among the larger mappings
PAUSE_S = 3.0  # while somebody may look
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = libc.shmat.restype = ctypes.c_void_p
kept: list[Any] = []


def called(status: int) -> int:
    """Raises OSError if a function of libc's has failed."""
    if status < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return status


def touch(size: int, flags: int = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) -> mmap.mmap:
    """Take memory, anonymous if nothing else is said."""
    area = mmap.mmap(-1, size, flags=flags)
    for at in range(0, size, 4096):
        area[at] = 1
    kept.append(area)
    return area


def address(area: mmap.mmap) -> ctypes.c_void_p:
    """Where a mapping begins."""
    return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(area)))


def memcg() -> Path:
    """The one with the limit."""
    path = CGROUPS / Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2].strip("/")
    while path.name == "two":
        path = path.parent
    return path


def used() -> int:
    """Of the limit."""
    return int((memcg() / "memory.current").read_text())


def until(share: float, step: int = MIB // 4) -> None:
    """Take more until so much of the limit is in use."""
    while used() < LIMIT * share:
        touch(step)


def who() -> None:
    inside, told = os.pipe()
    for number in range(12):
        if not os.fork():
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            touch((number + 1) * 64 << 10)
            os.write(told, b"x")
            time.sleep(3600)
    for _ in range(12):  # together they take a tenth of the limit: first
        os.read(inside, 1)
    until(0.93)


def children() -> None:
    """Two memcgs with limits of their own below the one that is full."""
    other = memcg() / "one"
    if not os.fork():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        (other / "cgroup.procs").write_text(str(os.getpid()))
        touch(16 * MIB)
        time.sleep(3600)
    while int((other / "memory.current").read_text()) < 16 * MIB:
        time.sleep(0.1)
    until(0.93)


def heap() -> None:
    threading.stack_size(512 << 10)
    for _ in range(THREADS):
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    kept.append([bytearray(200) for _ in range(100_000)])  # 25 MiB
    until(0.93)


def named(size: int, name: bytes) -> None:
    """Anonymous memory with a name (5.17, CONFIG_ANON_VMA_NAME)."""
    area = touch(size)
    called(libc.prctl(PR_SET_VMA, ctypes.c_ulong(0), address(area), ctypes.c_ulong(size), ctypes.c_char_p(name)))


def huge() -> None:
    """Four MiB of a transparent huge page or two, if there is one to be had."""
    area = mmap.mmap(-1, 6 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = -(address(area).value or 0) % (2 * MIB)
    area.madvise(MADV_HUGEPAGE)
    for at in range(start, start + 4 * MIB, 4096):
        area[at] = 1
    kept.append(area)
    if sum(int(line.split()[1]) for line in Path("/proc/self/smaps_rollup").read_text().splitlines()
           if line.startswith("AnonHugePages:")) == 0:
        raise OSError("no huge page")


def swapped() -> None:
    """Four MiB, paged out."""
    touch(4 * MIB).madvise(MADV_PAGEOUT)
    if "VmSwap:\t       0 kB" in Path("/proc/self/status").read_text():
        raise OSError("nothing was swapped")


def by_malloc() -> None:
    """Four MiB in an arena of a thread's own."""
    def work() -> None:
        kept.append([bytearray(65536) for _ in range(64)])
        time.sleep(3600)

    threading.Thread(target=work, daemon=True).start()
    time.sleep(0.5)
    for line in Path("/proc/self/maps").read_text().splitlines():
        start = int(line.partition("-")[0], 16)
        if start % (64 * MIB) == 0 and " rw-p " in line:  # else what is mapped right below it becomes one with it
            libc.mmap(ctypes.c_void_p(start - 4096), ctypes.c_size_t(4096), 0, MAP_RESERVED, -1, ctypes.c_long(0))


def locked() -> None:
    area = touch(2 * MIB)
    called(libc.mlock(address(area), ctypes.c_size_t(2 * MIB)))


def mapped_memfd() -> None:
    fd = os.memfd_create("frames")
    os.ftruncate(fd, 3 * MIB)
    area = mmap.mmap(fd, 3 * MIB)
    os.close(fd)
    for at in range(0, 3 * MIB, 4096):
        area[at] = 1
    kept.append(area)


MAPPED: dict[str, Callable[[], Any]] = {
    "named": lambda: named(5 * MIB, b"order cache"), "memfd": mapped_memfd, "locked": locked, "huge": huge,
    "swapped": swapped, "malloc": by_malloc, "shared": lambda: touch(2 * MIB, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS),
}


def mapped() -> None:
    """All that can be had here; what cannot is told in a file."""
    lacking = {}
    for name, make in MAPPED.items():
        try:
            make()
        except OSError as error:
            lacking[name] = str(error)
    Path("/root/lacking-mapped").write_text(json.dumps(lacking))
    until(0.93)


def fill(file: int, mib: int) -> None:
    for _ in range(mib):  # all at once, the bytes and the file together would be the whole limit
        os.write(file, b"x" * MIB)


def tmpfs() -> None:
    with open("/dev/shm/ring", "wb", buffering=0) as file:
        fill(file.fileno(), 24)
    fill(os.memfd_create("frames"), 6)
    until(0.93)


def segment(key: int, size: int) -> int:
    """A System V segment, filled; returns where it is attached."""
    shmid = called(libc.shmget(key, ctypes.c_size_t(size), IPC_CREAT | 0o600))
    at = libc.shmat(shmid, None, 0)
    for page in range(0, size, 4096):
        ctypes.memset(at + page, 1, 1)
    return int(at)


def sysv() -> None:
    """A segment that is attached, one that is not any more, and a file that is deleted but open."""
    segment(0x5100, 8 * MIB)
    called(libc.shmdt(ctypes.c_void_p(segment(0x5101, 8 * MIB))))
    file = os.open("/dev/shm/gone", os.O_RDWR | os.O_CREAT)
    fill(file, 8)
    os.unlink("/dev/shm/gone")
    until(0.93)


def cache() -> None:
    """A file that is open and half written, and one that is mapped alone."""
    fill(os.open("/root/half-written", os.O_RDWR | os.O_CREAT | os.O_TRUNC), 20)
    file = os.open("/root/mapped-alone", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    fill(file, 4)
    kept.append(mmap.mmap(file, 4 * MIB, prot=mmap.PROT_READ))
    os.close(file)
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


def pipes() -> None:
    """With a MiB in each."""
    for _ in range(12):
        out, into = os.pipe()
        called(libc.fcntl(into, F_SETPIPE_SZ, MIB))
        os.write(into, b"x" * MIB)
        kept.append(out)
    until(0.93)


def serve(fuse: int) -> None:
    """Answers FUSE_INIT and FUSE_GETATTR (include/uapi/linux/fuse.h), so that a process can have it as its root. Then
    it is stopped, and who asks anything else waits until somebody ends it."""
    Path("/proc/self/oom_score_adj").write_text("-1000")
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
    server = os.fork()
    if not server:
        serve(fuse)
    os.close(fuse)
    Path("/root/stuck-server").write_text(str(server))
    os.chroot("/root/stuck")
    os.chdir("/")
    os.kill(server, signal.SIGSTOP)
    hanging = threading.Thread(target=os.path.exists, args=("/etc/passwd",), daemon=True)
    hanging.start()
    hanging.join(0.5)
    if not hanging.is_alive():
        raise SystemExit("the file system answers")


def nine_tenths() -> None:
    until(0.93)


def program(name: str, *command: str) -> None:
    """One in another language, which does by itself what ``child`` does."""
    os.execv(command[0], [*command, f"{memcg()}/memory.current", str(int(LIMITS.get(name, LIMIT) * 0.93)),
                          f"/root/paused-{name}", f"/root/seen-{name}", "--child", "--password", "hunter2"])


def go() -> None:
    program("go", f"{PROGRAMS}/dying-go")


def jvm() -> None:
    """With little space for young objects: else its collector alone takes what is left of the limit."""
    program("jvm", f"{PROGRAMS}/jre/bin/java", "-Xmx160m", "-Xmn4m", "-XX:+UseSerialGC", "-cp", str(PROGRAMS / "jre"),
            "Dying")


WORK: dict[str, Callable[[], None]] = {
    "who": who, "children": children, "heap": heap, "mapped": mapped, "tmpfs": tmpfs, "sysv": sysv, "cache": cache,
    "sockets": sockets, "pipes": pipes, "stuck": stuck, "unit": nine_tenths, "session": nine_tenths,
    "go": go, "jvm": jvm,
}


def child(name: str) -> None:
    """In the memcg: near the limit, a pause, and on."""
    WORK[name]()
    while name == "stuck":  # nobody can be asked any more how much is in use: about two seconds to the limit
        touch(MIB // 8)
        time.sleep(0.05)
    Path(f"/root/paused-{name}").write_text(str(os.getpid()))
    time.sleep(PAUSE_S)
    while not os.path.exists(f"/root/seen-{name}"):
        time.sleep(0.1)
    while True:
        touch(MIB // 4)

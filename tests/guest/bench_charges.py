"""Run in a guest whose time counts instructions (--icount): what tracing adds to memory that is charged to a memcg.

Prints, as JSON, the CPU nanoseconds (instructions) of each kind of work for each mode of --charges.
"""

import ctypes
import fcntl
import json
import mmap
import os
import socket
import struct
import sys
import time

from bench_common import cgroup, child, traced, write

MODES = ("untraced", "off", "batch", "every")
PASSES = 3
ROUNDS = 7
SIZE, HUGE = 32 << 20, 2 << 20
_HUGEPAGE, _NOHUGEPAGE = 14, 15
PAGE = mmap.PAGESIZE


def anonymous(advice):
    memory = mmap.mmap(-1, SIZE + HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(advice)
    buffer = ctypes.c_char.from_buffer(memory)
    start = -ctypes.addressof(buffer) % HUGE  # as many huge pages wherever it lies
    del buffer
    memory[start:start + SIZE:PAGE] = bytes(1) * len(range(0, SIZE, PAGE))  # a loop of C
    memory.close()


def page_cache():
    with open("/root/bench.dat", "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        buffer = bytearray(1 << 16)
        while file.readinto(buffer):
            pass


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x1))  # SIOCSIFFLAGS, IFF_UP


def sockets():
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    receiver.bind(("127.0.0.1", 0))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    data = b"x" * 8192
    for _ in range(1000):
        sender.sendto(data, receiver.getsockname())
    receiver.close()
    sender.close()


def slab():
    for _ in range(20):
        ends = [os.pipe() for _ in range(200)]
        for pair in ends:
            os.close(pair[0])
            os.close(pair[1])


WORK = {
    "page faults, 4 KiB": lambda: anonymous(_NOHUGEPAGE),
    "page faults, THP": lambda: anonymous(_HUGEPAGE),
    "page cache reads": page_cache,
    "UDP socket buffers": sockets,
    "slab (pipes)": slab,
}


def measure(descriptor):
    found = {}
    for name, work in WORK.items():
        work()
        times = []
        for _ in range(ROUNDS):
            begin = time.process_time_ns()
            work()
            times.append(time.process_time_ns() - begin)
        found[name] = times
    os.write(descriptor, json.dumps(found).encode())


def main():
    path = cgroup("bench")
    write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise")
    loopback_up()
    with open("/root/bench.dat", "wb") as file:
        file.write(b"x" * SIZE)
        os.fsync(file.fileno())
    found = []
    for mode in MODES * PASSES:
        write("/proc/sys/vm/compact_memory", 1)  # as many huge pages each time
        with traced(mode):
            reader, writer = os.pipe()
            pid = child(path, lambda to=writer: measure(to))
            os.close(writer)
            with open(reader) as stream:
                found.append([mode, json.load(stream)])
            os.waitpid(pid, 0)
        print(f"charges: {mode} done", file=sys.stderr)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

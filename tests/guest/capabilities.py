"""Run in a guest: oomtrace as somebody with only some capabilities.

    capabilities.py UID CAP,CAP,… [--memlock BYTES] [--cache FOLDER] -- COMMAND…

Becomes the user, keeps nothing but these capabilities (in the bounding set too, as systemd does it), and executes the
command. Standard library only.
"""

import argparse
import ctypes
import os
import resource
import struct

NUMBERS = {
    "dac_read_search": 2, "ipc_lock": 14, "sys_admin": 21, "sys_resource": 24, "syslog": 34, "perfmon": 38, "bpf": 39,
}
KEEPCAPS, BOUNDING_DROP, AMBIENT, AMBIENT_RAISE = 8, 24, 47, 2

libc = ctypes.CDLL(None, use_errno=True)


def call(function, *arguments):
    if function(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def hold(capabilities):
    """Effective, permitted and inheritable: exactly these."""
    bits = sum(1 << number for number in capabilities)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    header = ctypes.create_string_buffer(struct.pack("<Ii", 0x20080522, 0))
    call(libc.capset, header, ctypes.create_string_buffer(struct.pack("<6I", low, low, low, high, high, high)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("uid", type=int)
    parser.add_argument("capabilities")
    parser.add_argument("--memlock", type=int, default=64 << 10)
    parser.add_argument("--cache")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    kept = [NUMBERS[name] for name in arguments.capabilities.split(",") if name]
    with open("/proc/self/oom_score_adj", "w") as adj:
        adj.write("0")
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (arguments.memlock, arguments.memlock))
    if arguments.cache:
        os.makedirs(arguments.cache, exist_ok=True)
        os.chown(arguments.cache, arguments.uid, arguments.uid)
        os.environ["OOMTRACE_CACHE"] = arguments.cache
    for number in range(last + 1):
        if number not in kept:
            call(libc.prctl, BOUNDING_DROP, number, 0, 0, 0)
    call(libc.prctl, KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(arguments.uid, arguments.uid, arguments.uid)
    os.setresuid(arguments.uid, arguments.uid, arguments.uid)
    hold(kept)
    for number in kept if arguments.uid else ():
        call(libc.prctl, AMBIENT, AMBIENT_RAISE, number, 0, 0)
    os.execvp(arguments.command[0], arguments.command)


main()

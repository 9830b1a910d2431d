"""Runs in a guest: scenarios one after the other under one trace; sends what came and the kernel's log as JSON lines.

    scenario.py FILE.yaml…

Lines on standard output: {"result": …} as `oomtrace repro` writes it, {"kmsg": RECORD}, {"note": TEXT}, and
{"programs": …}, shipped or compiled. They are written as they come, so that all up to a crash of the guest is known.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, Any

RECORD_BYTES = 8192
PROGRAMS = re.compile(r"oomtrace: (\w+) programs, ")
DETAILS = ("oomtrace: probe ", "oomtrace: this kernel has no ")  # of --verbose, which names the programs
NO_TRACE = range(10, 15)  # the exit statuses that say why none could be started
lock = threading.Lock()


def send(kind: str, what: Any) -> None:
    """One line."""
    with lock:
        sys.stdout.write(json.dumps({kind: what}) + "\n")
        sys.stdout.flush()


def follow_log(log: int, stop: threading.Event) -> None:
    """Send records until stop is set and none are left."""
    while True:
        last = stop.is_set()
        try:
            while True:
                send("kmsg", os.read(log, RECORD_BYTES).decode(errors="surrogateescape"))
        except BlockingIOError:
            if last:
                return
        except BrokenPipeError:
            send("note", "records of the kernel's log were overwritten before they could be read")
        stop.wait(0.2)


def follow_words(words: IO[str]) -> None:
    """Pass on what oomtrace says, but for details."""
    for line in words:
        found = PROGRAMS.match(line)
        if found:
            send("programs", found[1])
        elif not line.startswith(DETAILS):
            sys.stderr.write(line)
            sys.stderr.flush()


def run(files: Sequence[str]) -> int:
    """One trace for these files; returns how many of them are done with."""
    read, write = os.pipe()
    command = ["oomtrace", "repro", "--i-mean-it", "--quiet", "--verbose", "--mark"]
    command += ["--results", f"/dev/fd/{write}", *files]
    process = subprocess.Popen(command, pass_fds=[write], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               errors="replace")
    os.close(write)
    words = threading.Thread(target=follow_words, args=(process.stderr,))
    words.start()
    done = 0
    with os.fdopen(read) as results:
        for line in results:
            send("result", json.loads(line))
            done += 1
    status = process.wait()
    words.join()
    if done == len(files):
        return done
    send("note", f"oomtrace repro ended with status {status} in {files[done]}")
    # Where no trace could start there is none to start anew.
    return done + 1 if done or status not in NO_TRACE else len(files)


def main() -> None:
    """All files, with a new trace after each failure."""
    with open("/proc/sys/kernel/printk_devkmsg", "w") as setting:
        setting.write("on\n")  # without the newline it is refused
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(log, 0, os.SEEK_END)
    stop = threading.Event()
    follower = threading.Thread(target=follow_log, args=(log, stop))
    follower.start()
    left = sys.argv[1:]
    while left:
        left = left[run(left):]
    stop.set()
    follower.join()


main()

"""Makes frames in a process of its own, as programs are read that nobody vouches for.

Whoever may run a program on a machine can write its ELF file, and libdw, which reads it, is a large library in C. So a
child does that: it has no descriptors but those of the files, next to no privileges, and bounded memory and time.
Should it crash or hang, another child follows frame pointers, without the library; should that fail as well, there is
no code.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import json
import os
import resource
import select
import signal
import struct
import time
from contextlib import suppress
from typing import Any, Callable, Optional

from oomtrace.model import Code
from oomtrace.plain import from_plain, to_plain

from .files import Files
from .raw import RawCode
from .resolve import resolve

SECONDS = 30.0  # for one OOM; a machine that is not emulated takes a tenth of a second
_CPU_SECONDS = 10
_MEMORY_BYTES = 2 << 30  # beside what the parent has; mapped files count, and debug files are large
_MOST_BYTES = 64 << 20  # of the answer
_PIECE = 1 << 20
_STEP_S = 0.01
_END_S = 1.0
_NOBODY = 65534
_PR_SET_KEEPCAPS, _PR_SET_NO_NEW_PRIVS = 8, 38  # linux/prctl.h
_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h
# Files and processes of others may be read, for separate debug files in containers; nothing else may be done.
_READING = (2, 19)  # CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE
_CHANGING = (6, 7)  # CAP_SETGID, CAP_SETUID


def resolve_apart(
    raw: RawCode, files: Optional[Files] = None, seconds: float = SECONDS, meanwhile: Callable[[], None] = lambda: None,
) -> Optional[Code]:
    """The code around an OOM, as ``resolve`` makes it; None if it cannot be done in this time. ``meanwhile`` is called
    now and then until it is there."""
    for without_libdw in (False, True):
        found = _by_child(raw, files, without_libdw, seconds, meanwhile)
        if found is not None:
            return found
    return None


def _by_child(
    raw: RawCode, files: Optional[Files], without_libdw: bool, seconds: float, meanwhile: Callable[[], None]
) -> Optional[Code]:
    answer, answering = os.pipe()
    leash, hand = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        for descriptor in (answer, answering, leash, hand):
            os.close(descriptor)
        return None
    if not pid:
        _serve(raw, files, without_libdw, answering, leash)
    os.close(answering)
    os.close(leash)
    data = None
    try:
        data = _read(answer, time.monotonic() + seconds, meanwhile)
    finally:
        os.close(answer)
        ended = data is not None and _gone(pid)  # one that has answered ends by itself
        os.close(hand)  # any other ends now
        if not ended and not _gone(pid):
            _lingering.append(pid)
    return _code(data) if data else None


_lingering: list[int] = []  # children that did not end in time: a disk that does not answer holds them


def _gone(pid: int) -> bool:
    """Whether it ends, and is no child any more, within a second. Those of before go as well, if they have ended."""
    _lingering[:] = [one for one in _lingering if not _reaped(one)]
    until = time.monotonic() + _END_S
    while not _reaped(pid):
        if time.monotonic() >= until:
            return False
        time.sleep(_STEP_S / 10)
    return True


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _code(data: bytes) -> Optional[Code]:
    """What it has answered, if that is what it says to be."""
    try:
        return from_plain(Code, json.loads(data))
    except (ValueError, RecursionError):
        return None


def _read(answer: int, until: float, meanwhile: Callable[[], None]) -> Optional[bytes]:
    """All of it; None if it is not all there in time."""
    pieces: list[bytes] = []
    while sum(map(len, pieces)) <= _MOST_BYTES:
        meanwhile()
        if time.monotonic() >= until:
            return None
        if not select.select([answer], [], [], _STEP_S)[0]:
            continue
        piece = os.read(answer, _PIECE)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
    return None


def _serve(raw: RawCode, files: Optional[Files], without_libdw: bool, answering: int, leash: int) -> None:
    """The life of the child."""
    status = 1
    try:
        gc.disable()  # it would touch, and thereby copy, all memory that is the parent's: there may be little left
        _confine({answering, leash, *(files.descriptors if files is not None else ())})
        _obey(leash)
        data = json.dumps(to_plain(resolve(raw, files, without_libdw))).encode()
        while data:
            data = data[os.write(answering, data[:_PIECE]) :]
        status = 0
    finally:
        os._exit(status)


def _confine(kept: set[int]) -> None:
    """Nothing is open but this, and little can be done. What the parent may not do itself it does not forbid either."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGALRM, signal.SIGIO):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM, signal.SIGIO))
    signal.alarm(int(SECONDS) + 1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor not in kept:
            with suppress(OSError):  # that of the listing is closed already
                os.close(descriptor)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # where memory is short, it goes first
        file.write("1000")
    with suppress(OSError):
        os.nice(10)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, _CPU_SECONDS)
    _limit(resource.RLIMIT_AS, _address_space() + _MEMORY_BYTES)
    if not os.environ.get("DEBUGINFOD_URLS"):  # what that brings is kept in the user's cache
        _limit(resource.RLIMIT_FSIZE, 0)
        _drop_privileges()


def _obey(leash: int) -> None:
    """The kernel ends this process when the parent lets go of the pipe, or is gone: SIGIO comes then (fcntl(2),
    O_ASYNC), and nothing here waits for it. A parent without CAP_KILL cannot kill one of another user, nor can its end
    (PR_SET_PDEATHSIG)."""
    fcntl.fcntl(leash, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(leash, fcntl.F_SETFL, os.O_ASYNC)
    if select.select([leash], [], [], 0)[0]:  # it was before this
        os._exit(1)


def _limit(what: int, most: int) -> None:
    with suppress(OSError, ValueError):
        resource.setrlimit(what, (most, most))


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _drop_privileges() -> None:
    """Becomes nobody, who may read what root may read if that is root's own to give."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.geteuid() != 0:
        return
    if _able(libc, *_READING, *_CHANGING):
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    with suppress(OSError):  # a service may not change users; then it can do nothing that root needs capabilities for
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    if not _able(libc, *_READING):
        _able(libc)


def _able(libc: Any, *capabilities: int) -> bool:
    """These capabilities and no others, if it has them all."""
    wanted = sum(1 << number for number in capabilities)
    header = struct.pack("<Ii", _CAPABILITY_VERSION_3, 0)
    changed: int = libc.capset(header, struct.pack("<6I", wanted, wanted, 0, 0, 0, 0))
    return changed == 0

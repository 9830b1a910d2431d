"""Processes that share an mm without sharing a thread group, and thread groups without their leader."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import signal
import time
from _thread import stack_size, start_new_thread  # threading's own threads rename themselves (Python 3.14)

from . import FOR_EVER, Bytes, Self, workload
from .anon import anon

_CLONE_VM, _CLONE_VFORK = 0x100, 0x4000
_PTRACE_SEIZE, _PTRACE_O_TRACEEXIT = 0x4206, 0x40
_STACK_BYTES = 1 << 16
_SYS_EXIT = {"x86_64": 60, "aarch64": 93}


def _clone_pausing(me: Self, flags: int) -> int:
    """A child that shares our mm and sits in pause(2); it runs no Python, which two processes cannot share."""
    libc = ctypes.CDLL(None, use_errno=True)
    stack = mmap.mmap(-1, _STACK_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    me.kept.append(stack)
    top = ctypes.addressof(ctypes.c_char.from_buffer(stack)) + _STACK_BYTES
    pid: int = libc.clone(libc.pause, ctypes.c_void_p(top), _CLONE_VM | flags | signal.SIGCHLD, None)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    return pid


@workload
def share_mm(me: Self, count: int = 1) -> None:
    """Make processes that share this one's memory (CLONE_VM): killing one must kill all, or nothing comes back."""
    for _ in range(count):
        _clone_pausing(me, 0)


@workload
def vfork(me: Self) -> None:
    """Make a child by vfork, which borrows this one's memory and keeps it: such a child is no candidate for a kill."""
    start_new_thread(_clone_pausing, (me, _CLONE_VFORK))
    time.sleep(0.1)  # nothing tells that the thread is inside clone(2): it returns when the child is gone


@workload
def exits_slowly(me: Self, size: Bytes) -> None:
    """A child with memory that has begun to exit and does not get further: ptrace stops it on its way out.

    It has a second thread: only then does exit_group(2) mark the group as exiting on all kernels
    (mm/oom_kill.c, __task_will_free_mem).
    """
    go, tell = os.pipe()
    child = os.fork()
    if not child:
        anon(me, size)
        threads(me, 1)
        os.read(go, 1)
        os._exit(0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(_PTRACE_SEIZE, child, None, ctypes.c_void_p(_PTRACE_O_TRACEEXIT)):
        raise OSError(ctypes.get_errno(), "ptrace")
    os.write(tell, b"\n")
    os.waitpid(child, 0)


@workload
def threads(me: Self, count: int) -> None:
    """Threads that sleep."""
    stack_size(max(1 << 16, os.sysconf("SC_THREAD_STACK_MIN")))  # arm64: 128 KiB
    for _ in range(count):
        start_new_thread(time.sleep, (FOR_EVER,))


@workload
def leader_exits(me: Self) -> None:
    """End the first thread of the process alone. The steps that follow run in another: the process has memory, the task
    by whose number it goes has none."""
    start_new_thread(me.run, ())
    # The system call and not the C library's function, which would unwind Python's frames.
    ctypes.CDLL(None).syscall(_SYS_EXIT[platform.machine()], 0)

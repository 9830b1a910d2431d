"""Whether KVM works here. `/dev/kvm` may exist and still hang a guest, so one is booted to find out, once.

The answer is kept in the cache for this kernel, processor and QEMU. $OOMTRACE_VM_ACCEL, ``kvm`` or ``tcg``,
overrides it.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
from pathlib import Path
from typing import Callable, Optional

from . import host
from .arch import Arch
from .errors import STATUS_USAGE, VmError
from .image import cache_folder
from .progress import say

DEVICE = Path("/dev/kvm")
PROBE_TIMEOUT_S = 20.0
"""A working KVM boots in a second or two."""


def kvm_works(arch: Arch, boots: Callable[[], bool]) -> bool:
    """Whether to use KVM for guests of an architecture. `boots` is called, if need be, to try: True if a VM came up
    under KVM."""
    if not arch.native:
        return False
    forced = os.environ.get("OOMTRACE_VM_ACCEL", "")
    if forced:
        if forced not in ("kvm", "tcg"):
            raise VmError(f"OOMTRACE_VM_ACCEL is {forced}", "set it to kvm or tcg, or unset it", STATUS_USAGE)
        return forced == "kvm"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return False
    memory, key = cache_folder() / "accel.json", machine_key(arch)
    answer = recall(memory, key)
    if answer is None:
        with open(cache_folder() / "accel.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            answer = recall(memory, key)
            if answer is None:
                answer = _probe(boots)
                remember(memory, key, answer)
    return answer


def _probe(boots: Callable[[], bool]) -> bool:
    """Try KVM, and say so: it may take as long as the time-out."""
    say("trying whether KVM works here (once) …")
    answer = boots()
    say("KVM works" if answer else "KVM does not work here: emulating (slower)")
    return answer


def machine_key(arch: Arch) -> str:
    """What the answer depends on: kernel, processor, QEMU."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        cpuinfo = ""
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.M)
    return f"{platform.release()} / {model[1] if model else platform.machine()} / QEMU {host.qemu_version(arch)}"


def recall(memory: Path, key: str) -> Optional[bool]:
    """The remembered answer for `key`, or None."""
    try:
        answer = json.loads(memory.read_text()).get(key)
    except (OSError, ValueError, AttributeError):
        return None
    return answer if isinstance(answer, bool) else None


def remember(memory: Path, key: str, answer: bool) -> None:
    """Keep `answer` for `key`, in place of what was kept before."""
    part = memory.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps({key: answer}) + "\n")
    part.rename(memory)

"""What this machine says of itself."""

from __future__ import annotations

import os
from pathlib import Path

from oomtrace.facts import Facts
from oomtrace.kernel import machine
from oomtrace.kernel.symbols import Symbols


def test_a_builds_facts_get_those_of_the_machine() -> None:
    build = Facts(task_markers=True, page_kb=64)
    found = machine.described(build, Symbols(b"ffffffff81000000 T _stext\n"))
    assert found.task_markers and found.preempt is None
    assert (found.release, found.machine) == (os.uname().release, os.uname().machine)
    assert found.page_kb == os.sysconf("SC_PAGE_SIZE") // 1024 != 64
    assert found.host == os.uname().nodename
    boot = Path("/proc/sys/kernel/random/boot_id")
    assert found.boot_id == (boot.read_text().strip() if boot.exists() else None)

"""What this machine says of itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest

from oomtrace.facts import Facts
from oomtrace.kernel import machine
from oomtrace.kernel.addresses import Resolver


def _listed(text: bytes) -> Resolver:
    return Resolver(BytesIO(text))


def test_a_builds_facts_get_those_of_the_machine() -> None:
    build = Facts(task_markers=True, page_kb=64)
    found = machine.described(build, _listed(b"ffffffff81000000 T _stext\n"))
    assert found.task_markers and found.preempt is None
    assert (found.release, found.machine) == (os.uname().release, os.uname().machine)
    assert found.page_kb == os.sysconf("SC_PAGE_SIZE") // 1024 != 64
    assert found.host == os.uname().nodename
    boot = Path("/proc/sys/kernel/random/boot_id")
    assert found.boot_id == (boot.read_text().strip() if boot.exists() else None)


DMI = {"sys_vendor": "Ampere", "product_name": "Mt. Jade", "board_name": "R271", "bios_version": "1.2 (x)",
       "bios_date": "11/01/2025"}


def _files(monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str]) -> None:
    monkeypatch.setattr(machine, "_text", lambda path: files.get(path, ""))


def test_the_hardwares_name_is_made_as_the_kernel_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    dmi = {f"/sys/class/dmi/id/{name}": f"{text}\n" for name, text in DMI.items()}
    tree = {"/proc/device-tree/model": "Raspberry Pi 5\0", "/proc/device-tree/compatible": "raspberrypi,5\0brcm,2712\0"}
    _files(monkeypatch, {**dmi, **tree})
    assert machine.hardware() == "Ampere Mt. Jade/R271, BIOS 1.2 (x) 11/01/2025"
    del dmi["/sys/class/dmi/id/board_name"]
    _files(monkeypatch, dmi)
    assert machine.hardware() == "Ampere Mt. Jade, BIOS 1.2 (x) 11/01/2025"
    _files(monkeypatch, tree)
    assert machine.hardware() == "Raspberry Pi 5 (DT)"
    _files(monkeypatch, {"/proc/device-tree/compatible": tree["/proc/device-tree/compatible"]})
    assert machine.hardware() == "raspberrypi,5 (DT)"
    _files(monkeypatch, {})
    assert machine.hardware() is None


def test_what_a_kernel_without_data_symbols_does_not_show_is_asked_elsewhere_and_again(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"/proc/sys/kernel/tainted": "512\n", "/sys/kernel/kexec_crash_loaded": "1\n",
             "/proc/meminfo": "MemTotal: 9 kB\nCmaTotal:          65536 kB\n", "/proc/device-tree/model": "board\0"}
    _files(monkeypatch, files)
    found = machine.described(Facts(), _listed(b"ffffffff81000000 T _stext\n"))
    assert (found.taint, found.kdump, found.hardware) == (512, True, "board (DT)")
    assert found.cma_pages == (64 << 20) // machine.page_bytes()
    files.update({"/proc/sys/kernel/tainted": "0\n", "/sys/kernel/kexec_crash_loaded": "0\n"})
    assert (machine.current(found).taint, machine.current(found).kdump) == (0, False)
    shown = _listed(b"ffffffff81000000 T _stext\nffffffff82000000 D tainted_mask\n")
    assert machine.current(machine.described(Facts(), shown)).taint is None, "the records tell it"


def test_whether_allocations_are_profiled_is_asked_at_each_start(monkeypatch: pytest.MonkeyPatch) -> None:
    names = _listed(b"ffffffff81000000 T _stext\n")
    for files, expected in (({"/proc/sys/vm/mem_profiling": "1\n"}, True),
                            ({"/proc/sys/vm/mem_profiling": "0\n"}, False), ({}, False)):
        _files(monkeypatch, files)
        assert machine.described(Facts(), names).allocations is expected

"""What BPF reads of an interpreter's frames: send_python on this machine's kernel, at page faults of a Python program.

A perf event takes the program in place of a kprobe: machines without kprobes, and without a VM, can run it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from oomtrace import code
from oomtrace.code import python
from oomtrace.errors import OomtraceError
from oomtrace.kernel import machine
from oomtrace.live import bpf
from oomtrace.programs import keep, source
from oomtrace.programs.image import MapSpec
from tests.code.programs import SOURCES, running, work
from tests.code.test_python import interpreters

_SOFTWARE, _PAGE_FAULTS = 1, 2  # enum perf_type_id, enum perf_sw_ids
_PROG_TYPE_PERF_EVENT = 7
_IOC_ENABLE, _IOC_SET_BPF = 0x2400, 0x40042408
_HEAD = struct.Struct("<IIQQII")  # rec_header, pid, count
_FRAME = struct.Struct("<QQB3xB3x")  # python_frame


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, Mapping[str, int], Mapping[str, MapSpec]]]:
    """The program, the maps, and what these are like."""
    monkeypatch.setattr(bpf, "_PROG_TYPE_KPROBE", _PROG_TYPE_PERF_EVENT)
    fds: list[int] = []
    try:
        plan, base = keep.get(lambda said: None)
        specs = {spec.name: spec for spec in plan.image.maps}
        maps = {}
        for name, spec in specs.items():
            maps[name] = bpf.create_map(spec)
            fds.append(maps[name])
        program = next(one for one in plan.image.programs if one.name == "send_python")
        fds.append(bpf.load_program("send_python", program.linked(maps, plan.at(base))))
    except (OSError, OomtraceError) as error:
        pytest.skip(f"BPF cannot be used here: {error}")
    yield fds[-1], maps, specs
    for fd in fds:
        os.close(fd)


@contextmanager
def at_page_faults(program: int, pid: int) -> Iterator[None]:
    """The program runs at page faults of the process."""
    attributes = bpf._PerfEventAttr()
    attributes.type, attributes.size, attributes.config = _SOFTWARE, ctypes.sizeof(attributes), _PAGE_FAULTS
    attributes.sample_period = 1
    event = bpf._perf_event_open(attributes, pid, -1)
    try:
        fcntl.ioctl(event, _IOC_SET_BPF, program)
        fcntl.ioctl(event, _IOC_ENABLE, 0)
        yield
    finally:
        os.close(event)


def records(maps: Mapping[str, int], specs: Mapping[str, MapSpec], pid: int) -> Iterator[list[tuple[int, ...]]]:
    """The frames that each CPU has read last, if they are of that process."""
    size = specs["python_scratch"].value_size + 7 & ~7
    data = bpf.look_up(maps["python_scratch"], struct.pack("<I", 0), size * machine.possible_cpus()) or b""
    for start in range(0, len(data), size):
        *_, of, count = _HEAD.unpack_from(data, start)
        if of == pid and count:
            yield [_FRAME.unpack_from(data, start + _HEAD.size + _FRAME.size * at) for at in range(count)]


@pytest.mark.parametrize("interpreter", interpreters().values(), ids=interpreters().keys())
def test_functions_and_lines(
    interpreter: str, loaded: tuple[int, Mapping[str, int], Mapping[str, MapSpec]]
) -> None:
    program, maps, specs = loaded
    files = code.Files()
    with running([interpreter, str(SOURCES / "fill.py")]) as child:
        work(child.pid, 0.2)
        process = code.look(child.pid, files)
        assert process is not None
        bpf.put(maps["pythons"], child.pid, process.python_layout)
        with at_page_faults(program, child.pid):
            deadline, found = time.monotonic() + 60, []
            while not found and time.monotonic() < deadline:
                time.sleep(0.1)
                found = list(records(maps, specs, child.pid))
        child.kill()
    files.close()
    assert found
    for frames in found:
        names = [_named(maps, specs, child.pid, *one) for one in python.meant(process.python_layout, frames) if one[0]]
        assert names[0] in [("fill", line) for line in (8, 9, 10)], names
        assert names[-2:] == [("main", 18), ("<module>", 21)], names


def _named(
    maps: Mapping[str, int], specs: Mapping[str, MapSpec], pid: int, at: int, instruction: int
) -> tuple[str, object]:
    data = bpf.look_up(maps["python_codes"], struct.pack("<QQ", pid, at), specs["python_codes"].value_size)
    found = python.unpacked(data) if data is not None else None
    assert found is not None
    return found.name, python.line_of(found.line_table, found.first_line, instruction - found.first_instruction)


def test_the_part_is_optional() -> None:
    """A kernel that refuses it loses nothing else."""
    assert set(source.OPTIONAL_PARTS) < set(source.PARTS)

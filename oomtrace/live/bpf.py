"""bpf(2) and perf_event_open(2), as far as a trace needs them.

bcc can load and attach as well, but only in the process that holds its compiler: 110 MB of LLVM that have to be
loaded at every start and stay. The compiler runs in a process of its own (programs/compiler.py); what it makes is
loaded here.
Knowledge: include/uapi/linux/bpf.h, include/uapi/linux/perf_event.h; both are stable ABI.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from errno import EINVAL
from functools import cache
from pathlib import Path
from struct import pack
from typing import Optional

from oomtrace.kernel import machine, syscalls
from oomtrace.programs.image import MapSpec

_MAP_CREATE, _MAP_LOOKUP_ELEM, _MAP_UPDATE_ELEM, _PROG_LOAD = 0, 1, 2, 5
_RAW_TRACEPOINT_OPEN = 17
_PROG_TYPE_KPROBE, _PROG_TYPE_TRACING = 2, 26
_TRACE_FENTRY, _TRACE_FEXIT = 24, 25  # enum bpf_attach_type
_LOG_BYTES = 1 << 20

_PERF_TYPE_SOFTWARE, _PERF_COUNT_SW_BPF_OUTPUT, _PERF_SAMPLE_RAW = 1, 10, 1 << 10
_PERF_FORMAT_LOST = 1 << 4
_PERF_WATERMARK = 1 << 14  # struct perf_event_attr's bit of that name: wakeup_events is wakeup_watermark
_PERF_WRITE_BACKWARD = 1 << 27
_PERF_FLAG_FD_CLOEXEC = 8
_IOC_ENABLE, _IOC_SET_BPF = 0x2400, 0x40042408

_KPROBE_TYPE = Path("/sys/bus/event_source/devices/kprobe/type")


def create_map(spec: MapSpec) -> int:
    """A new map's file descriptor. Raises OSError."""
    entries = spec.max_entries or machine.possible_cpus()
    attributes = pack("<IIIII", spec.kind, spec.key_size, spec.value_size, entries, spec.flags)
    name = spec.name.encode()[:15]
    return syscalls.bpf(_MAP_CREATE, attributes + pack("<II", 0, 0) + name.ljust(16, b"\0"))


def update_map(fd: int, key: int, value: int) -> None:
    """Set an element of a map whose keys and values are 32-bit numbers. Raises OSError."""
    key_buffer, value_buffer = ctypes.c_uint32(key), ctypes.c_uint32(value)
    syscalls.bpf(_MAP_UPDATE_ELEM, pack("<I4xQQQ", fd, ctypes.addressof(key_buffer), ctypes.addressof(value_buffer), 0))


def put(fd: int, key: int, value: bytes) -> None:
    """Set an element of a map whose keys are 32-bit numbers. Raises OSError."""
    key_buffer, value_buffer = ctypes.c_uint32(key), ctypes.create_string_buffer(value, len(value))
    syscalls.bpf(_MAP_UPDATE_ELEM, pack("<I4xQQQ", fd, ctypes.addressof(key_buffer), ctypes.addressof(value_buffer), 0))


def number_in(fd: int, key: int) -> int:
    """An element of an array of 64-bit numbers. Raises OSError."""
    key_buffer, value_buffer = ctypes.c_uint32(key), ctypes.c_uint64()
    syscalls.bpf(_MAP_LOOKUP_ELEM, pack("<I4xQQQ", fd, ctypes.addressof(key_buffer), ctypes.addressof(value_buffer), 0))
    return value_buffer.value


def look_up(fd: int, key: bytes, size: int) -> Optional[bytes]:
    """An element of that size; None if there is none of that key."""
    key_buffer, value_buffer = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(size)
    addresses = ctypes.addressof(key_buffer), ctypes.addressof(value_buffer)
    try:
        syscalls.bpf(_MAP_LOOKUP_ELEM, pack("<I4xQQQ", fd, *addresses, 0))
    except OSError:
        return None
    return value_buffer.raw


class VerifierError(Exception):
    """The kernel refused a program; the text is the end of the verifier's log, or the system's error."""


def load_program(name: str, instructions: bytes, function_id: Optional[int] = None, returns: bool = False) -> int:
    """The file descriptor of a program for a kprobe, or to enter the function of that BTF id, or to follow it.

    Raises VerifierError.
    """
    code = ctypes.create_string_buffer(instructions, len(instructions))
    license_text = ctypes.create_string_buffer(b"GPL")

    def attributes(log: int, log_bytes: int) -> bytes:
        kind = _PROG_TYPE_KPROBE if function_id is None else _PROG_TYPE_TRACING
        head = pack("<IIQQ", kind, len(instructions) // 8, ctypes.addressof(code), ctypes.addressof(license_text))
        # kern_version: kernels before 5.0 want their own for kprobes; those have no BTF and are not supported.
        head += pack("<IIQII", 1 if log else 0, log_bytes, log, 0, 0) + name.encode()[:15].ljust(16, b"\0")
        if function_id is None:
            return head
        # prog_ifindex, expected_attach_type, prog_btf_fd, func_info_…, line_info_…, attach_btf_id, attach_prog_fd
        when = _TRACE_FEXIT if returns else _TRACE_FENTRY
        return head + pack("<IIIIQIIQIII", 0, when, 0, 0, 0, 0, 0, 0, 0, function_id, 0)

    try:
        return syscalls.bpf(_PROG_LOAD, attributes(0, 0))
    except OSError as error:
        log = ctypes.create_string_buffer(_LOG_BYTES)
        try:
            return syscalls.bpf(_PROG_LOAD, attributes(ctypes.addressof(log), _LOG_BYTES))
        except OSError:
            said = log.value.decode("utf-8", "replace").strip().splitlines()[-6:]
            raise VerifierError("; ".join(said) or error.strerror) from error


class _PerfEventAttr(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("config", ctypes.c_uint64),
        ("sample_period", ctypes.c_uint64),
        ("sample_type", ctypes.c_uint64),
        ("read_format", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
        ("wakeup_events", ctypes.c_uint32),
        ("bp_type", ctypes.c_uint32),
        ("config1", ctypes.c_uint64),
        ("config2", ctypes.c_uint64),
        ("rest", ctypes.c_uint64 * 6),
    ]


def _perf_event_open(attr: _PerfEventAttr, pid: int, cpu: int) -> int:
    attr.size = ctypes.sizeof(attr)
    return syscalls.perf_event_open(attr, pid, cpu, _PERF_FLAG_FD_CLOEXEC)


def open_output(cpu: int, wakeup_bytes: Optional[int] = None, backward: bool = False) -> int:
    """A CPU's event for bpf_perf_event_output; to be mapped and put into the perf array. It can be read after each
    output, or when there are ``wakeup_bytes``. ``backward``: its buffer is written from the end to the beginning, over
    what is oldest if it is mapped read-only. Raises OSError."""
    attr = _PerfEventAttr(
        type=_PERF_TYPE_SOFTWARE,
        config=_PERF_COUNT_SW_BPF_OUTPUT,
        sample_type=_PERF_SAMPLE_RAW,
        sample_period=1,
        read_format=_PERF_FORMAT_LOST,
        flags=(0 if wakeup_bytes is None else _PERF_WATERMARK) | (_PERF_WRITE_BACKWARD if backward else 0),
        wakeup_events=wakeup_bytes or 1,
    )
    try:
        fd = _perf_event_open(attr, -1, cpu)
    except OSError as error:
        if error.errno != EINVAL:
            raise
        attr.read_format = 0
        fd = _perf_event_open(attr, -1, cpu)
    fcntl.ioctl(fd, _IOC_ENABLE, 0)
    return fd


def lost_output(fd: int) -> Optional[int]:
    """How many outputs have found the event's buffer full, None where the kernel does not tell (up to 5.19)."""
    told = os.read(fd, 16)
    return int.from_bytes(told[8:], "little") if len(told) == 16 else None


def attach_direct(program_fd: int) -> int:
    """Run a program that was loaded for a function; closing the descriptor detaches it. Raises OSError."""
    return syscalls.bpf(_RAW_TRACEPOINT_OPEN, pack("<QI4x", 0, program_fd))


@cache
def _kprobe_type() -> int:
    return int(_KPROBE_TYPE.read_text())


def attach_kprobe(symbol: str, program_fd: int, returns: bool = False, address: Optional[int] = None) -> int:
    """Run the program at the entry of a kernel function, or when it returns; closing the descriptor detaches it.

    Given the address, the kernel need not look through all its symbols, once to find the function and once (since 6.6)
    for others of its name. Raises OSError.
    """
    name = ctypes.create_string_buffer(symbol.encode())
    attr = _PerfEventAttr(
        type=_kprobe_type(),
        config=int(returns),  # bit 0, as /sys/bus/event_source/devices/kprobe/format/retprobe says
        sample_period=1,
        wakeup_events=1,
        config1=0 if address else ctypes.addressof(name),
        config2=address or 0,
    )
    fd = _perf_event_open(attr, -1, 0)
    try:
        fcntl.ioctl(fd, _IOC_SET_BPF, program_fd)
        fcntl.ioctl(fd, _IOC_ENABLE, 0)
    except OSError:
        os.close(fd)
        raise
    return fd

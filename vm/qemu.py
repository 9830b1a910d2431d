"""The QEMU command line of a run. Nothing here starts anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from . import matrix
from .arch import Arch
from .errors import STATUS_USAGE, VmError
from .spec import RunSpec

QUIET = "quiet loglevel=3 printk.time=1 panic=-1 sysrq_always_enabled rdinit=/init"
"""A console that shows emergencies, alerts and critical messages alone: an OOM report is none of them, and a
slow serial line must not become part of what is measured. A panic raises the level by itself and is seen whole."""


@dataclass(frozen=True)
class Machine:
    """What a run needs besides its specification: files and sockets already made."""

    kernel: Path
    initrd: Path
    root: Path
    payload: Path
    swap: Optional[Path]
    sockets: Mapping[str, int]
    """File descriptor of QEMU's end by name: a port each, ``console``, ``monitor``."""
    kvm: bool


def command(spec: RunSpec, machine: Machine) -> list[str]:
    """QEMU's arguments for `spec`."""
    arch = matrix.find(spec.kernel).arch
    words = " ".join(f"console={arch.console} {QUIET} {arch.words} {spec.append}".split())
    return [
        arch.qemu, *arch.board, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-name", f"oomtrace-{spec.kernel}",
        *accelerator(arch, machine.kvm, spec.icount),
        *memory(spec),
        "-kernel", str(machine.kernel), "-initrd", str(machine.initrd), "-append", words,
        *disk("root", machine.root, "snapshot=on"),
        *disk("payload", machine.payload, "readonly=on"),
        *(disk("swap", machine.swap, "cache=unsafe") if machine.swap else ()),
        *(disk("disk", spec.disk, "cache=writethrough") if spec.disk else ()),
        *(["-device", "virtio-balloon-pci"] if spec.balloon else ()),
        *serial(machine.sockets),
    ]


def accelerator(arch: Arch, kvm: bool, icount: bool) -> list[str]:
    """How instructions are run. Counting them excludes KVM and more than one thread."""
    if icount:
        return ["-accel", "tcg,thread=single", "-cpu", arch.cpu, "-icount", "shift=0,sleep=off", "-rtc", "clock=vm"]
    if kvm:
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi", "-cpu", arch.cpu]


def memory(spec: RunSpec) -> list[str]:
    """RAM and CPUs, over NUMA nodes if there are several. Sizes go to QEMU in MiB."""
    cpus = 1 if spec.icount else spec.cpus
    mib = spec.memory >> 20
    arguments = ["-smp", str(cpus), "-m", f"{mib}M"]
    if spec.numa == 1:
        return arguments
    if mib // spec.numa < 64:
        raise VmError(f"{mib}M is too little for {spec.numa} NUMA nodes", "64M each at least", STATUS_USAGE)
    for node in range(spec.numa):
        share = mib // spec.numa + (mib % spec.numa if node == 0 else 0)
        first, past = node * cpus // spec.numa, (node + 1) * cpus // spec.numa
        own_cpus = f",cpus={first}-{past - 1}" if past > first else ""
        arguments += ["-object", f"memory-backend-ram,id=ram{node},size={share}M"]
        arguments += ["-numa", f"node,nodeid={node},memdev=ram{node}{own_cpus}"]
    return arguments


def disk(name: str, path: Path, options: str) -> list[str]:
    """A raw image as a virtio disk that the guest knows by its serial number `name`."""
    file = str(path).replace(",", ",,")
    drive = f"id={name},if=none,format=raw,file={file},{options}"
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive={name},serial={name}"]


def serial(sockets: Mapping[str, int]) -> list[str]:
    """The console on a serial line, QMP, all other names as virtio-serial ports; each over an inherited socket."""
    arguments = ["-device", "virtio-serial-pci"]
    for name, descriptor in sockets.items():
        arguments += ["-chardev", f"socket,id={name},fd={descriptor}"]
        if name == "console":
            arguments += ["-serial", f"chardev:{name}"]
        elif name == "monitor":
            arguments += ["-mon", f"chardev={name},mode=control"]
        else:
            arguments += ["-device", f"virtserialport,chardev={name},name=vm.{name}"]
    return arguments

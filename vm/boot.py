"""Boot a VM, run one command in it, bring out what it printed. The API for tests is `run`."""

from __future__ import annotations

import ctypes
import secrets
import selectors
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Optional

from . import accel, files, guest, host, image, lastwords, matrix, payload, qemu, qmp
from .errors import VmError
from .guest import Command
from .progress import say
from .recipe import Recipe
from .shell import Terminal
from .spec import Result, RunSpec
from .streams import Control, MarkedStream, Sink

BOOT_TIMEOUT_S = 120.0
KEPT = "/root/kept"
CONSOLE_TAIL = 80
CRASH_TAIL = 20
CRASHES = 3
"""How often a VM is tried whose emulator fails. QEMU's threads share TLB entries without keeping them (seen:
iotlb_to_section: Assertion `section_index < d->map.sections_nb', once in some hundred boots on a busy machine), and one
may run the int3 of a patched instruction after it has been taken away (seen: a panic within 2 s of boot on 7.3; and a
boot of 7.3 that neither went on nor answered). Nothing of the command has run before the guest is ready: until then, a
guest that panics, resets or hangs is tried again, too."""
END_TIMEOUT_S = 10.0
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def run(
    spec: RunSpec, command: Command, stdout: Optional[Sink] = None, stderr: Optional[Sink] = None,
    terminal: Optional[Terminal] = None,
) -> Result:
    """Run `command` in a new VM as `spec` says; build the image first if it is not there.

    `command` is a line for the guest's shell, or a sequence of words that no shell reads. It runs as root in the
    checkout, with oom_score_adj -1000 (``adj0 COMMAND`` in the guest resets it). `stdout` and `stderr` are called
    with bytes as they come; the result has all of them in any case. `terminal` is joined to the guest's console. A VM
    that is lost is a result too, with ``status`` None; VmError means that none could be started.
    """
    spec = _with_kept(spec)
    kernel = matrix.find(spec.kernel)
    host.ensure_qemu(kernel.arch)
    built = image.ensure(Recipe(kernel, spec.variant))
    kvm = not spec.icount and accel.kvm_works(kernel.arch, lambda: _boots_under_kvm(spec.kernel, built))
    for left in reversed(range(CRASHES)):
        result = _run(spec, command, built, kvm, stdout, stderr, terminal)
        if not result.crashed or terminal or (result.stdout and stdout):  # what was passed on cannot be taken back
            break
        ended = "".join(f"\n  {line}" for line in console_tail(result).splitlines()[-CRASH_TAIL:])
        say(f"QEMU failed ({result.lost}){'; once more' if left else ''}. The console ended so:{ended}")
    return result


def _with_kept(spec: RunSpec) -> RunSpec:
    """What is kept comes out like other files."""
    if spec.kept is None:
        return spec
    environment = {**spec.environment, "OOMTRACE_CACHE": KEPT}
    return replace(spec, get=[*spec.get, (KEPT, spec.kept)], environment=environment)


def _run(
    spec: RunSpec, command: Command, built: image.Image, kvm: bool, stdout: Optional[Sink] = None,
    stderr: Optional[Sink] = None, terminal: Optional[Terminal] = None,
) -> Result:
    """`run` with the image and the accelerator decided."""
    with tempfile.TemporaryDirectory(prefix="oomtrace-vm-") as folder, ExitStack() as stack:
        archive = stack.enter_context(tempfile.TemporaryFile())
        session = _Session(stack, secrets.token_hex(8), stdout, stderr, archive, terminal)
        machine = _prepare(spec, command, built, Path(folder), session, kvm)
        result = _supervise(spec, machine, session)
        if result.status is not None:
            files.extract(session.archive, spec.get)
    return result


def _boots_under_kvm(kernel: str, built: image.Image) -> bool:
    """Try it."""
    return _run(RunSpec(kernel, memory=256 << 20, timeout=accel.PROBE_TIMEOUT_S), "true", built, kvm=True).status == 0


class _Session:
    """The host's ends of the sockets of one VM, and what has come through them."""

    def __init__(
        self, stack: ExitStack, token: str, stdout: Optional[Sink], stderr: Optional[Sink], archive: BinaryIO,
        terminal: Optional[Terminal] = None,
    ) -> None:
        self.token = token
        self.terminal = terminal
        self.archive = archive
        self.control = Control()
        self.stdout, self.stderr, self.console = bytearray(), bytearray(), bytearray()
        self.ready_after = 0.0
        mark = guest.end_mark(token)
        self.streams = {
            "control": MarkedStream(mark, self.control.feed),
            "out": MarkedStream(mark, _tee(self.stdout, stdout)),
            "err": MarkedStream(mark, _tee(self.stderr, stderr)),
            "files": MarkedStream(mark, self._keep),
        }
        self.selector = stack.enter_context(selectors.DefaultSelector())
        self.guest_ends: dict[str, socket.socket] = {}
        self.our_ends: dict[str, socket.socket] = {}
        for name in (*self.streams, "console", "monitor"):
            ours, theirs = (stack.enter_context(end) for end in socket.socketpair())
            self.selector.register(ours, selectors.EVENT_READ, name)
            self.our_ends[name], self.guest_ends[name] = ours, theirs
        if terminal:
            self.selector.register(terminal.keys, selectors.EVENT_READ, "keys")

    def _keep(self, data: bytes) -> None:
        self.archive.write(data)

    @property
    def complete(self) -> bool:
        """Whether all that the guest had to say has come."""
        return all(stream.ended for stream in self.streams.values())

    def receive(self, wait: float) -> bool:
        """Pass on what comes within `wait` seconds; False once all sockets are closed."""
        for key, _ in self.selector.select(wait):
            if key.data == "keys":
                self._type(key.fd)
                continue
            assert isinstance(key.fileobj, socket.socket)
            try:
                data = key.fileobj.recv(1 << 16)
            except ConnectionResetError:  # QEMU went and left something of ours unread.
                data = b""
            if not data:
                self.selector.unregister(key.fileobj)
            elif key.data == "console":
                self.console += data
                if self.terminal:
                    self.terminal.show(data)
            elif key.data in self.streams:
                self.streams[key.data].feed(data)
        return any(key.data != "keys" for key in self.selector.get_map().values())

    def _type(self, keys: int) -> None:
        """Pass on what was typed; at the terminal's end, look at it no more."""
        assert self.terminal is not None
        typed = self.terminal.read()
        if typed:
            self.our_ends["console"].sendall(typed)
        else:
            self.selector.unregister(keys)


def _tee(store: bytearray, sink: Optional[Sink]) -> Sink:
    """A sink that keeps what it gets, and passes it on."""
    def both(data: bytes) -> None:
        store.extend(data)
        if sink:
            sink(data)
    return both


def _prepare(
    spec: RunSpec, command: Command, built: image.Image, folder: Path, session: _Session, kvm: bool
) -> qemu.Machine:
    """Make the files of the VM in `folder`."""
    initrd = folder / "initrd"
    initrd.write_bytes(built.initrd.read_bytes() + guest.initramfs(spec, command, session.token))
    checkout = folder / "payload.tar"
    with checkout.open("wb") as stream:
        payload.write(stream, kept=spec.kept, put=spec.put)
    swap = folder / "swap" if spec.swap else None
    if swap:
        with swap.open("wb") as stream:
            stream.truncate(spec.swap)
    sockets = {name: end.fileno() for name, end in session.guest_ends.items()}
    return qemu.Machine(built.kernel, initrd, built.root, checkout, swap, sockets, kvm)


def _supervise(spec: RunSpec, machine: qemu.Machine, session: _Session) -> Result:
    """Start QEMU, read until the guest has said all or is lost, end QEMU."""
    start = time.monotonic()
    process = subprocess.Popen(
        qemu.command(spec, machine), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        pass_fds=list(machine.sockets.values()), preexec_fn=_die_with_parent,
    )
    for end in session.guest_ends.values():
        end.close()
    ends_itself = False
    try:
        lost = _watch(spec, session, start)
        ends_itself = not lost and not session.complete
    finally:
        messages = _end(process, ends_itself)
    ended = time.monotonic() - start
    while session.receive(0.0) and process.returncode is not None:
        pass
    for stream in session.streams.values():
        stream.flush()
    console = session.console.decode(errors="replace").replace("\r\n", "\n")
    if not lost and (not session.complete or session.control.status is None):
        lost = _cause_of_end(console, messages.decode(errors="replace"))
    # By a signal that is not ours; or, with status 0, as the guest has reset itself, or it hung, before it was ready.
    crashed = process.returncode < 0 and process.returncode != -signal.SIGKILL or (
        not session.control.ready and (process.returncode == 0 or ended >= BOOT_TIMEOUT_S))
    return Result(
        status=None if lost else session.control.status, stdout=bytes(session.stdout), stderr=bytes(session.stderr),
        console=console, lost=lost, crashed=bool(lost) and crashed,
        missing=session.control.missing, boot_seconds=session.ready_after, seconds=ended,
    )


def _watch(spec: RunSpec, session: _Session, start: float) -> str:
    """Read until the guest has said all or QEMU has gone, or until it is given up: returns why, then."""
    while not session.complete:
        seconds = time.monotonic() - start
        if session.control.ready and not session.ready_after:
            session.ready_after = seconds
            if spec.balloon:
                qmp.take_back(session.our_ends["monitor"], spec.memory - spec.balloon)
        lost = _overdue(spec, seconds, session.control.ready)
        if lost:
            ends = session.our_ends
            lastwords.ask(ends["monitor"], ends["console"], session.receive, lambda: len(session.console))
            return lost
        if not session.receive(min(1.0, max(0.01, spec.timeout - seconds))):
            break
    return ""


def _end(process: "subprocess.Popen[bytes]", by_itself: bool) -> bytes:
    """Kill QEMU, unless it is about to end; returns what it wrote to its standard error."""
    if by_itself:  # it closes its sockets before it exits, with a status that tells why
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=END_TIMEOUT_S)[1]
    process.kill()
    try:
        return process.communicate(timeout=END_TIMEOUT_S)[1]
    except subprocess.TimeoutExpired:  # A broken KVM can keep it in the kernel for a long time.
        return b""


def _overdue(spec: RunSpec, seconds: float, ready: bool) -> str:
    """Why a VM that has run for `seconds` is to be given up, or nothing."""
    if seconds >= spec.timeout:
        return f"no end after {spec.timeout:g} s"
    if not ready and seconds >= BOOT_TIMEOUT_S:
        return f"not booted after {BOOT_TIMEOUT_S:g} s"
    return ""


def _cause_of_end(console: str, messages: str) -> str:
    """Why QEMU ended by itself, from the guest's console and QEMU's own standard error."""
    for line in console.splitlines():
        if "Kernel panic" in line:
            return line[line.index("Kernel panic"):]
    return messages.strip() or "QEMU ended without a word"


def _die_with_parent() -> None:
    """In the child: be killed when the thread that started it ends, so that no VM outlives its user."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def console_tail(result: Result) -> str:
    """The last lines of the console, for a message."""
    return "\n".join(result.console.rstrip().splitlines()[-CONSOLE_TAIL:])


def check(result: Result) -> Result:
    """`result` as it is; VmError if the VM was lost."""
    if result.status is None:
        raise VmError(f"the VM was lost: {result.lost}\n{console_tail(result)}", status=result.exit_status)
    return result

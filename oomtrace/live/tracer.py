"""Load the programs, attach them, read their records. What comes out is bytes."""

from __future__ import annotations

import ctypes
import os
import resource
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from struct import pack
from typing import Callable, Optional

from oomtrace.errors import EXIT_LOCKDOWN, EXIT_NO_PROBE, OomtraceError
from oomtrace.kernel import machine, privileges, surroundings
from oomtrace.kernel.probes import Target
from oomtrace.live import bpf, recent
from oomtrace.live.aside import Meanwhile
from oomtrace.live.recent import Recent
from oomtrace.live.ring import LOOK_ONLY, PAGE_BYTES, Rings
from oomtrace.live.steps import Alongside, Step, take_all
from oomtrace.programs.image import Image
from oomtrace.programs.source import OPTIONAL_PARTS, PARTS

# For each CPU. 10,000 tasks, weighed and listed, are 4 MiB of records; up to 6 MiB are left while they come.
BUFFER_BYTES = 8 << 20
# On machines with many CPUs the buffers together stay within this.
BUFFERS_BYTES = 64 << 20

LEAST_BYTES = 256 << 10
_NO_CMDLINE, _NO_WITNESS = 1, 2  # SETTING_… of bpf/common.h

_NICE = -10

_CLOSERS = 4  # more gain nothing: part of it is done under a lock of the kernel's (event_mutex)

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def buffer_pages(cpus: int, wanted_bytes: Optional[int] = None, page_bytes: int = PAGE_BYTES) -> int:
    """Pages for each CPU's perf buffer, a power of two: as many as fit into what is wanted, at least 256 KiB."""
    share = min(BUFFER_BYTES, BUFFERS_BYTES // max(cpus, 1)) if wanted_bytes is None else wanted_bytes
    return 1 << (max(share, LEAST_BYTES) // page_bytes).bit_length() - 1


class Tracer:
    """The running probes."""

    def __init__(
        self, image: Image, addresses: Mapping[int, int], cpus: list[int], buffer_bytes: Optional[int] = None,
        sampled: bool = False,
    ) -> None:
        """Create the maps and open the buffers, of ``buffer_bytes`` for each CPU; those of samples of who charges if
        such are taken. Raises OomtraceError."""
        self._image, self._programs = image, {program.name: program for program in image.programs}
        self._addresses = addresses
        self._fds: list[int] = []
        self._loaded: dict[str, int] = {}  # ahead, by the program's name
        self._rings: Optional[Rings] = None
        self._recent: Optional[Recent] = None
        self._meanwhile: Optional[Meanwhile] = None
        self.direct: list[Target] = []  # entered by a trampoline, not by a kprobe
        self.not_direct: list[tuple[Target, str]] = []  # by a kprobe, as the trampoline was refused; why
        self.refused: list[tuple[str, str]] = []  # parts that the kernel refuses, of those in OPTIONAL_PARTS; why
        with suppress(OSError, ValueError):  # up to 5.10 maps count against RLIMIT_MEMLOCK
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        try:
            self._maps: dict[str, int] = {spec.name: self._keep(bpf.create_map(spec)) for spec in image.maps
                                         if sampled or spec.name not in recent.MAPS}
            self._rings = Rings(self._maps["records"], self._maps["bells"], cpus, buffer_pages(len(cpus), buffer_bytes))
            if sampled:
                self._recent = Recent(self._maps["samples"], self._maps["sampling"], cpus)
        except OSError as error:
            self.close()
            refused = OomtraceError(f"cannot set up BPF: {error.strerror}", _hint(), _status())
            raise privileges.explained(error) or refused from error

    def _keep(self, fd: int) -> int:
        self._fds.append(fd)
        return fd

    def load_ahead(self, targets: Sequence[Target], go_on: Callable[[], bool]) -> None:
        """Load programs that will be wanted, each at its turn, for as long as that may ``go_on``. One that is refused
        is so again when it is wanted."""
        names = [target.probe.program for target in targets if target.symbol is not None and not _direct(target)]
        with suppress(OSError, bpf.VerifierError):
            for name in (*names, *(name for name in PARTS if name not in OPTIONAL_PARTS)):
                if not go_on():
                    break
                self._loaded[name] = self._load(name)

    def _load(self, name: str) -> int:
        ready = self._loaded.pop(name, None)
        if ready is not None:
            return ready
        return self._keep(bpf.load_program(name, self._programs[name].linked(self._maps, self._addresses)))

    def attach(self, targets: Sequence[Target], skipped: Callable[[Target, str], None]) -> None:
        """Load every program that has a function to enter, and enter it, the last when all else is in place.

        ``skipped`` hears of each probe that the report can do without. Raises OomtraceError for one that it cannot.
        From now on no record is lost that there is memory for, whether or not anybody can take them yet.
        """
        reasons = self._enter_all(targets)
        if self._rings:  # no sooner: so it gets the stack of a thread that has ended, and no more memory is locked
            self._meanwhile = Meanwhile(self._rings)
        for target, reason in zip(targets, reasons):
            if reason is None or (target.probe.optional and target.symbol is None):
                continue
            if target.probe.loses is None:
                name = target.symbol or target.probe.functions[0]
                raise OomtraceError(f"cannot probe {name}: {reason}", _hint(), _status())
            skipped(target, reason)

    def _enter_all(self, targets: Sequence[Target]) -> list[Optional[str]]:
        """For each one why it cannot be entered, or None. Raises OomtraceError.

        Programs are loaded while those before them are attached: the kernel's verifier and what changes its code have
        no lock in common. The large parts are loaded meanwhile, too: the last of the targets begins an OOM, and the
        others look at none before.
        """
        steps: "SimpleQueue[Optional[Step]]" = SimpleQueue()
        reasons: list[Optional[str]] = []
        thread = threading.Thread(target=take_all, args=(steps, reasons))
        thread.start()
        try:
            # First, as each of them waits for the kernel's RCU: for as long as the half of all others takes.
            waiting = {target.probe.program: self._prepared(target) for target in targets if _direct(target)}
            for target in targets[:-1]:
                steps.put(waiting.get(target.probe.program) or self._prepared(target))
            self.load_parts()
            for target in targets[-1:]:
                steps.put(self._prepared(target))
        finally:
            steps.put(None)
            thread.join()
        if len(reasons) != len(targets):
            raise RuntimeError("the thread that attaches ended early")
        return reasons

    def load_parts(self) -> None:
        """Load the programs that others call. Raises OomtraceError."""
        try:
            for index, name in enumerate(PARTS):
                if name not in OPTIONAL_PARTS:
                    bpf.update_map(self._maps["parts"], index, self._load(name))
        except (OSError, bpf.VerifierError) as error:
            refused = f"the kernel refuses the BPF programs: {self._why(error)}"
            raise OomtraceError(refused, _hint(), _status()) from error
        self._load_optional()

    def _load_optional(self) -> None:
        """Those that a trace can do without: where their maps are not there, or the kernel refuses them."""
        for name in OPTIONAL_PARTS:
            if set(self._programs[name].maps.values()) <= set(self._maps):
                try:
                    bpf.update_map(self._maps["parts"], PARTS.index(name), self._load(name))
                except (OSError, bpf.VerifierError) as error:
                    self.refused.append((name, self._why(error)))

    def enter(self, target: Target) -> Optional[str]:
        """Load one program and attach it until ``close``. Returns why it cannot be, or None."""
        return self._prepared(target)()

    def _prepared(self, target: Target) -> Step:
        """Load one program. What is returned attaches it, and returns why it cannot be, or None."""
        if target.symbol is None:
            return lambda: "this kernel has no such function"
        if _direct(target):
            return Alongside(lambda: None if self._enter_directly(target) else self._by_kprobe(target)())
        return self._by_kprobe(target)

    def _by_kprobe(self, target: Target) -> Step:
        try:
            program = self._load(target.probe.program)
        except bpf.VerifierError as error:
            refusal = self._why(error)
            return lambda: refusal
        return lambda: self._attach(target, program)

    def _attach(self, target: Target, program: int) -> Optional[str]:
        assert target.symbol is not None
        try:
            self._keep(bpf.attach_kprobe(target.symbol, program, target.probe.returns, target.address))
        except OSError as error:
            return f"{error.strerror}: inlined, notrace or on the kprobe blacklist"
        return None

    def _enter_directly(self, target: Target) -> bool:
        """By a trampoline, which takes a while of waiting for the kernel's RCU. False where it cannot be done: without
        BPF's JIT and trampolines (x86-64 since 5.5, arm64 since 6.0)."""
        name = target.probe.direct
        assert name is not None
        try:
            code = self._programs[name].linked(self._maps, self._addresses)
            program = self._keep(bpf.load_program(name, code, target.type_id, target.probe.returns))
            self._keep(bpf.attach_direct(program))
        except (OSError, bpf.VerifierError) as error:
            self.not_direct.append((target, self._why(error)))
            return False
        self.direct.append(target)
        return True

    def _why(self, error: Exception) -> str:
        """Why the kernel refuses a program, in its own words."""
        if isinstance(error, bpf.VerifierError):
            return self._image.explained(str(error))
        return str(getattr(error, "strerror", None) or error)

    @property
    def lost(self) -> int:
        """Records that found the buffers full."""
        return self._rings.lost if self._rings else 0

    @property
    def filling(self) -> bool:
        """Whether ``wait`` has left records in the buffers, as more were coming."""
        return self._rings is not None and self._rings.filling

    @property
    def failed_charges(self) -> int:
        """Charges that failed without a kill, reported or not."""
        return bpf.number_in(self._maps["failed_charges"], 0)

    @property
    def unreported_kills(self) -> int:
        """Kills by others than the OOM killer that were too many in a second to be told of."""
        return bpf.number_in(self._maps["kills_unreported"], 0)

    def watch_kills(self, signals: int, near: bool) -> None:
        """Tell of these signals, a bit each; ``near``: only where memory is short. Raises OSError."""
        bpf.update_map(self._maps["kill_settings"], 1, int(near))  # enum kill_setting (bpf/signals.c)
        bpf.update_map(self._maps["kill_settings"], 0, signals)

    def history(self, counter: int) -> Optional[bytes]:
        """How usage has gone of a page_counter with a limit (struct history, bpf/near.h); None if that is not kept."""
        size = next(spec.value_size for spec in self._image.maps if spec.name == "histories")
        return bpf.look_up(self._maps["histories"], pack("=Q", counter), size)

    def modules_changed(self) -> bool:
        """Whether kernel modules have come or gone since the last call, as far as the kernel tells."""
        changed = self._rings is not None and self._rings.modules_changed
        if self._rings:
            self._rings.modules_changed = False
        return changed

    def named(self) -> list[tuple[Optional[int], int]]:
        """The processes that have been named since the last call, to be looked at while they are alive; each after the
        address of the memcg in which an OOM has begun, 0 for the machine, None if no beginning is why."""
        if not self._rings or not self._rings.named:
            return []
        named, self._rings.named = self._rings.named, []
        return [(None if memcg == LOOK_ONLY else memcg, tgid) for memcg, tgid in named]

    def sample(self, mode: int, cgroup_id: int = 0) -> None:
        """What is sampled from now on (enum sample_mode, bpf/sample.h). Raises OSError."""
        if self._recent:
            self._recent.choose(mode, cgroup_id)

    def samples(self) -> list[bytes]:
        """The samples that are there; none where none are taken."""
        if not self._recent:
            return []
        self._recent.follow(machine.online_cpus())
        return self._recent.read()

    def settle(self, witness: bool, cmdline: bool) -> None:
        """What the programs are to read: of processes, and of their command lines. Raises OomtraceError."""
        try:
            bpf.update_map(self._maps["settings"], 0, (not cmdline and _NO_CMDLINE) | (not witness and _NO_WITNESS))
        except OSError as error:
            raise OomtraceError(f"cannot set up BPF: {error.strerror}", _hint(), _status()) from error

    def watch_python(self, tgid: int, layout: bytes) -> None:
        """Have samples of a process say which functions of Python it runs: struct python (bpf/python.h) is where its
        interpreter has them."""
        fd = self._maps.get("pythons")
        if fd is not None:
            with suppress(OSError):  # its functions are not known then
                bpf.put(fd, tgid, layout)

    def python_code(self, tgid: int, address: int) -> Optional[bytes]:
        """What names a code object of a process, struct python_code (bpf/python.h), if a sample has met it."""
        fd = self._maps.get("python_codes")
        size = next((spec.value_size for spec in self._image.maps if spec.name == "python_codes"), 0)
        return bpf.look_up(fd, pack("<QQ", tgid, address), size) if fd is not None else None

    def wake_on(self, fd: int) -> None:
        """Let ``wait`` end when the descriptor can be read, too."""
        if self._rings:
            self._rings.wake_on(fd)

    def wait(self, timeout_ms: int) -> list[bytes]:
        """The records that have come; waits for some up to the time (-1: until some come, or a wake)."""
        self._take_over()
        return self._rings.wait(timeout_ms) if self._rings else []

    def hear(self) -> None:
        """Learn who is ``named``, between two calls of ``wait``."""
        if self._rings:
            self._rings.hear()

    def set_aside(self) -> None:
        """Keep the buffers from filling up, between two calls of ``wait``."""
        if self._rings:
            self._rings.set_aside()

    def _take_over(self) -> None:
        """From now on this thread looks after the buffers."""
        if self._meanwhile:
            self._meanwhile.end()
            self._meanwhile = None

    def close(self) -> None:
        """Detach everything. Each probe waits for grace periods of the kernel's RCU; a few threads share them."""
        self._take_over()
        threads = [threading.Thread(target=_close_all, args=(self._fds,)) for _ in range(_CLOSERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._rings:
            self._rings.close()
        if self._recent:
            self._recent.close()


def _direct(target: Target) -> bool:
    """Whether it is to be tried by a trampoline."""
    return target.probe.direct is not None and target.type_id is not None


def _close_all(fds: list[int]) -> None:
    with suppress(IndexError):  # there are no more
        while True:
            os.close(fds.pop())


def _locked_down() -> bool:
    return surroundings.lockdown() == "confidentiality"


def _status() -> int:
    return EXIT_LOCKDOWN if _locked_down() else EXIT_NO_PROBE


def _hint() -> str:
    if _locked_down():
        return "the kernel is in lockdown=confidentiality, which forbids BPF to read kernel memory"
    return "the kernel needs CONFIG_BPF_EVENTS and CONFIG_KPROBES; dmesg may tell the reason"


def exempt() -> None:
    """Keep this process out of the OOM killer's reach, if it is allowed to."""
    with suppress(OSError):  # without CAP_SYS_RESOURCE a trace is still worth having
        Path("/proc/self/oom_score_adj").write_text("-1000")


def prefer() -> None:
    """Let this process run before others, if it is allowed to: among the many that a storm of OOMs keeps busy, an equal
    share of the CPU is too little to empty the buffers in time. It sleeps when there is nothing to read."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, min(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))


def lock() -> None:
    """Keep this process's pages in memory, if it is allowed to: those in use, not what starting has left behind."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc's own
        libc.malloc_trim(0)
    libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)

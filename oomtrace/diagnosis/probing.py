"""The check of the probes: each is attached and detached again.

With the programs that a trace would use; where those cannot be had, with one that does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Optional

from oomtrace.diagnosis.rows import DEGRADED, IMPOSSIBLE, INFO, OK, CheckRow, ProbeRow, listed, mib
from oomtrace.errors import OomtraceError
from oomtrace.kernel import machine, privileges, surroundings
from oomtrace.kernel.probes import PROBES, Target, find
from oomtrace.kernel.symbols import Symbols
from oomtrace.live import bpf
from oomtrace.live.ring import PAGE_BYTES
from oomtrace.live.tracer import Tracer, buffer_pages
from oomtrace.programs import keep
from oomtrace.programs.image import MapSpec
from oomtrace.programs.plan import SHIPPED, Plan
from oomtrace.programs.source import OPTIONAL_PARTS

# What a trace has resident once it is ready: Python, the programs, the kernel's symbols.
_PROCESS_BYTES = 60 << 20
_PER_CPU_MAPS = (5, 6, 10)  # BPF_MAP_TYPE_PERCPU_HASH, _PERCPU_ARRAY, _LRU_PERCPU_HASH
_DO_NOTHING = bytes.fromhex("b700000000000000" "9500000000000000")  # r0 = 0; exit


def probes(facts: dict[str, Any], hopeless: bool) -> tuple[list[ProbeRow], list[CheckRow]]:
    """The probes, and rows on what loading them takes. ``hopeless``: another row has said why nothing works."""
    symbols = Symbols.load()
    targets = [Target(probe, find(probe, symbols)) for probe in PROBES]
    if surroundings.text(surroundings.KPROBE_PMU) is None or not _allowed():
        return [row(target, None, tried=False) for target in targets], []
    try:
        made, base = keep.get(lambda _message: None)
    except OomtraceError as error:
        found = [row(target, _enter_doing_nothing(target)) for target in targets]
        return found, [] if hopeless else [CheckRow("programs", IMPOSSIBLE, error.message, error.hint)]
    targets = list(made.targets_at(base))
    facts["not_in_this_kernel"] = list(made.missing)
    rows = [_programs(made), _memory(facts, made.image.maps)]
    try:
        tracer = Tracer(made.image, made.at(base), machine.online_cpus(), sampled=True)
    except OomtraceError as error:
        found = [row(target, None, tried=False) for target in targets]
        return found, [*rows, CheckRow("load", IMPOSSIBLE, error.message, error.hint)]
    try:
        tracer.load_parts()
        found = [row(target, tracer.enter(target)) for target in targets]
        refused = [ProbeRow(name, None, DEGRADED, reason, OPTIONAL_PARTS[name]) for name, reason in tracer.refused]
        return [*found, *refused], [*rows, trampolines(tracer.direct, tracer.not_direct)]
    except OomtraceError as error:
        found = [row(target, _enter_doing_nothing(target)) for target in targets]
        return found, [*rows, CheckRow("load", IMPOSSIBLE, error.message, error.hint)]
    finally:
        tracer.close()


def _allowed() -> bool:
    try:
        privileges.require()
    except OomtraceError:
        return False
    return True


def row(target: Target, refused: Optional[str], tried: bool = True) -> ProbeRow:
    """The finding on a probe; ``refused`` is why it could not be entered."""
    probe, symbol = target.probe, target.symbol
    if symbol is None and probe.optional:
        return ProbeRow(probe.program, None, INFO, "not in this kernel, which can do without")
    if symbol is None:
        refused = "this kernel has none of " + ", ".join(probe.functions)
    if refused is not None:
        state = IMPOSSIBLE if probe.loses is None else DEGRADED
        return ProbeRow(probe.program, symbol, state, refused, probe.loses or "everything")
    return ProbeRow(probe.program, symbol, OK if tried else INFO, None if tried else "found, not tried")


def _enter_doing_nothing(target: Target) -> Optional[str]:
    if target.symbol is None:
        return None
    opened: list[int] = []
    try:
        opened.append(bpf.load_program("oomtrace_check", _DO_NOTHING))
        opened.append(bpf.attach_kprobe(target.symbol, opened[0]))
    except (OSError, bpf.VerifierError) as error:
        return str(getattr(error, "strerror", None) or error)
    finally:
        for descriptor in reversed(opened):
            os.close(descriptor)
    return None


def _programs(made: Plan) -> CheckRow:
    """A folder that cannot be written only makes starts slower."""
    kept = keep.kept()
    where = f"kept in {kept.parent}" if kept.exists() else f"not kept: {kept.parent} cannot be written"
    how = "those that oomtrace comes with" if made.programs == SHIPPED else f"compiled with {made.origin}"
    found = f"{how}; {where}"
    if made.lost:
        return CheckRow("programs", DEGRADED, found, f"lost: {listed(made.lost)}")
    return CheckRow("programs", OK, found)


def trampolines(direct: Sequence[Target], not_direct: Sequence[tuple[Target, str]]) -> CheckRow:
    """Whether BPF can enter functions by its own trampolines. Kprobes take their place: nothing is lost."""
    if direct and not not_direct:
        return CheckRow("trampolines", OK, "BPF has them")
    reason = f" ({not_direct[0][1]})" if not_direct else ""
    return CheckRow("trampolines", INFO, f"none for BPF{reason}; kprobes take their place",
                    "--charges every costs about three times as much")


def _memory(facts: dict[str, Any], maps: tuple[MapSpec, ...]) -> CheckRow:
    """An estimate: the kernel's own bookkeeping is not counted."""
    cpus, possible = len(machine.online_cpus()), machine.possible_cpus()
    each = buffer_pages(cpus) * PAGE_BYTES
    buffers = cpus * (each + 3 * PAGE_BYTES)  # with their heads, and a bell of one page
    held = sum(_map_bytes(spec, possible) for spec in maps)
    facts["locked_bytes"] = {"perf_buffers": buffers, "maps": held, "process": _PROCESS_BYTES}
    total = buffers + held + _PROCESS_BYTES
    found = f"about {mib(total)} locked: {cpus} perf buffers of {mib(each)}, maps {mib(held)}, the process"
    return CheckRow("memory", OK, found)


def _map_bytes(spec: MapSpec, cpus: int) -> int:
    value = (spec.value_size + 7) // 8 * 8 * (cpus if spec.kind in _PER_CPU_MAPS else 1)
    return (spec.key_size + value) * spec.max_entries

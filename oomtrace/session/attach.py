"""The way to a trace that is attached: privileges, programs that fit the kernel, probes, and whoever looks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Callable, NamedTuple, Optional

from oomtrace.errors import EXIT_NO_PROBE, OomtraceError
from oomtrace.kernel import machine, privileges, probes
from oomtrace.live import tracer
from oomtrace.programs import keep
from oomtrace.programs.plan import SHIPPED
from oomtrace.programs.source import OPTIONAL_PARTS
from oomtrace.session import early
from oomtrace.session.options import TraceOptions

if TYPE_CHECKING:
    from oomtrace.live.tracer import Tracer
    from oomtrace.programs.plan import Plan
    from oomtrace.session.looker import Looker

Say = Callable[[str], None]

_SAMPLED = {"near": 1, "on": 2}  # enum sample_mode (bpf/sample.h)


class Attached(NamedTuple):
    """What a trace is made of. ``without``: the programs that could not be attached. ``probes``: how many functions
    are entered. ``looker`` None: nobody looks. ``options``: with what this kernel cannot do turned off."""

    tracer: Tracer
    plan: Plan
    options: TraceOptions
    without: frozenset[str]
    probes: int
    looker: Optional[Looker]


def start(say: Say, warn: Say, options: TraceOptions) -> Attached:
    """Get the programs and attach them. Raises OomtraceError with what a person can do about it.

    ``say`` hears details that --verbose shows, ``warn`` what is lost on this kernel.
    """
    privileges.require()
    begun = early.taken()
    plan, base = (begun.plan(say) if begun else None) or keep.get(say)
    tracer.exempt()  # the compiler, which is large, is not
    tracer.prefer()
    for part in plan.lost:
        warn(f"oomtrace: without the kernel's BTF: {part}")
    looker = _looker(options.cmdline, warn) if options.witness else None
    try:
        attached = begun.tracer(options) if begun else None
        return _attached(plan, base, options, say, warn, looker, attached)
    except OomtraceError as error:
        if looker:
            looker.close()
        if plan.programs == SHIPPED and error.status == EXIT_NO_PROBE:
            hint = f"{error.hint}; --compile compiles the programs on this machine, with bcc"
            raise OomtraceError(error.message, hint, error.status) from error
        raise


def _attached(
    plan: Plan, base: int, options: TraceOptions, say: Say, warn: Say, looker: Optional[Looker],
    attached: Optional[Tracer],
) -> Attached:
    sampled = options.stacks != "off"
    charges = "batch" if sampled else options.charges
    targets = probes.chosen(plan.targets_at(base), charges, options.kills, sampled)
    if attached is None:
        cpus, buffer_bytes = machine.online_cpus(), options.buffer_bytes
        attached = tracer.Tracer(plan.image, plan.at(base), cpus, buffer_bytes, sampled)
    without: set[str] = set()

    def skipped(target: probes.Target, reason: str) -> None:
        without.add(target.probe.program)
        warn(f"oomtrace: without {target.probe.functions[0]} ({reason}): {target.probe.loses}")

    try:
        attached.settle(options.witness, options.cmdline)
        attached.attach(targets, skipped)
        _enter_replaced(attached, plan.targets_at(base), without)
        attached.watch_kills(probes.kill_signals(options.kills), options.kills == "near")
    except OomtraceError:
        attached.close()
        raise
    for target in targets:
        way = " (BPF trampoline)" if target in attached.direct else ""
        say(f"oomtrace: probe {target.probe.program}: {target.symbol or 'none'}{way}")
    _say_refused(attached, say, warn)
    attached.sample(_SAMPLED.get(options.stacks, 0))
    watched = not without.intersection(target.probe.program for target in targets if target.probe.charges)
    if sampled and not watched:  # who charges is still told, without by which code
        plain = [target for target in plan.targets_at(base) if target.probe.charges == charges]
        watched = any(attached.enter(target) is None for target in plain if not target.probe.sampled)
    options = replace(options, charges=charges if watched else "off")
    entered = sum(target.symbol is not None for target in targets)
    return Attached(attached, plan, options, frozenset(without), entered, looker)


def _enter_replaced(attached: tracer.Tracer, targets: tuple[probes.Target, ...], without: set[str]) -> None:
    """Those that were spared for the sake of one that could not be attached."""
    missed = {target.probe.replaces for target in targets if target.probe.program in without}
    for target in targets:
        if target.probe.program in missed:
            attached.enter(target)


def _say_refused(attached: Tracer, say: Say, warn: Say) -> None:
    """What the kernel has refused and a trace can do without: what is lost, or costs more."""
    for name, reason in attached.refused:
        warn(f"oomtrace: without {name} ({reason}): {OPTIONAL_PARTS[name]}")
    for target, reason in attached.not_direct:
        say(f"oomtrace: probe {target.probe.program}: a kprobe, which costs more: no BPF trampoline ({reason})")


def _looker(cmdline: bool, warn: Say) -> Optional[Looker]:
    """The process that looks: made while little is open. A trace is worth having without it."""
    from oomtrace.session.looker import Looker

    try:
        return Looker(cmdline)
    except OSError as error:
        warn(f"oomtrace: nobody looks at processes and containers: {error.strerror}")
        return None

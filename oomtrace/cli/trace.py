"""``oomtrace trace``: probes in, reports out."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

import click

from oomtrace import tell
from oomtrace.cli import notify, shelf
from oomtrace.cli.options import (
    Count,
    Seconds,
    Size,
    channel_options,
    color_option,
    compile_option,
    format_option,
    gather,
    witness_options,
)
from oomtrace.cli.target import target
from oomtrace.cli.voice import nothing, say
from oomtrace.errors import EXIT_FAILURE, EXIT_TIMEOUT, EXIT_USAGE, OomtraceError
from oomtrace.kernel.probes import CHARGES, KILLS, STACKS
from oomtrace.session.options import TraceOptions
from oomtrace.session.select import Selection
from oomtrace.session.trace import LiveTrace

if TYPE_CHECKING:
    from oomtrace.cli.report import Sink
    from oomtrace.model import OomEvent
    from oomtrace.session.receive import Traced
    from oomtrace.session.verify import KernelLog


@dataclass(frozen=True)
class _Until:
    """When the trace ends besides at Ctrl-C."""

    once: bool
    count: Optional[int]
    timeout: Optional[float]

    @property
    def ooms(self) -> Optional[int]:
        """After so many OOMs; None: however many there are."""
        return 1 if self.once else self.count


@dataclass(frozen=True)
class _Output:
    """What is printed and written."""

    form: str
    quiet: bool
    colour: Optional[bool]
    output: Optional[str]
    keep: Optional[int]
    keep_bytes: Optional[int]


@dataclass(frozen=True)
class _Announced:
    """Who is told that all probes are attached."""

    pid_file: Optional[str]
    ready_file: Optional[str]


@dataclass
class _Tally:
    """How many events of each kind there were."""

    ooms: int = 0
    waits: int = 0
    failures: int = 0
    others: int = 0
    throttles: int = 0

    def add(self, event: "OomEvent") -> None:
        """Count it."""
        self.ooms += event.is_oom
        self.waits += event.trace.wait is not None
        self.failures += event.trace.failure is not None
        self.others += event.killed is not None
        self.throttles += event.trace.throttle is not None

    def closing(self, trace: LiveTrace) -> str:
        """The last line, with what the trace has counted besides."""
        from oomtrace.why.units import plural  # late: nothing of it is needed to be ready

        shown = [
            (self.waits, "wait"), (self.failures, "failed charge"), (self.others, "other kill"),
            (trace.unreported_kills, "more kill"), (self.throttles, "slowdown"),
        ]
        parts = [plural(number, what) for number, what in [(self.ooms, "OOM"), *(one for one in shown if one[0])]]
        more = trace.failed_charges - self.failures
        if more > 0:
            parts.append(f"{plural(more, 'more failed charge')} not reported")
        if trace.left_out:
            parts.append(f"{trace.left_out} more not written, since another signal came")
        if trace.lost:
            parts.append(f"{plural(trace.lost, 'record')} lost: some reports are incomplete")
        return f"oomtrace: {', '.join(parts)}\n"


@click.command("trace", short_help="Trace the OOM killer, and print a report of each OOM.")
@click.option("--once", is_flag=True, help="Stop after the first OOM.")
@click.option("--count", type=Count(), metavar="N", help="Stop after N OOMs: 1 or more.")
@click.option("--timeout", type=Seconds(), metavar="S",
              help=f"Stop after S seconds. Exit with {EXIT_TIMEOUT} if no OOM came.")
@click.option("--cgroup", metavar="PATTERN",
              help="Only OOMs where a memcg matches, such as '/kubepods*': the full one, the victim's, or that of the "
                   "task that triggered the OOM.")
@click.option("--comm", metavar="PATTERN",
              help="Only OOMs where the name of the victim, or of the task that triggered the OOM, matches.")
@click.option("--pid", type=int, metavar="PID", help="Only OOMs where PID is the victim, or triggered the OOM.")
@click.option("--container", metavar="PATTERN",
              help="Only OOMs where a container has that name, or an id that begins so: that of the full memcg, of the "
                   "victim, or of the task that triggered the OOM.")
@click.option("--pod", metavar="NAMESPACE/NAME",
              help="Only OOMs where one of these is in a Kubernetes pod of that name; both are patterns.")
@click.option("--global-only", is_flag=True, help="Only OOMs of the whole machine.")
@click.option("--memcg-only", is_flag=True, help="Only OOMs of a memcg.")
@click.option("--charges", type=click.Choice(CHARGES), default="batch", show_default=True,
              help="Watch which tasks charge memory (add pages to a memcg) before an OOM. off: do not watch; batch: "
                   "each batch of 64 pages; every: each charge (slow).")
@click.option("--kills", type=click.Choice(KILLS), default="near", show_default=True,
              help="Also report kills by somebody else than the OOM killer. near: where memory is short; all: each "
                   "kill; off: none.")
@click.option("--stacks", type=click.Choice(STACKS), default="off", show_default=True,
              help="Sample by which code memory is charged, so that a report can name it. off: do not; near: in memcgs "
                   "above nine tenths of their limit; on: everywhere. It reads processes' stacks: see docs/code.md.")
@click.option("--stack-memory/--no-stack-memory", default=False,
              help="Also keep in captures the copies of processes' stacks and registers: functions can then be found "
                   "later, where more is known of the programs.  [default: no]")
@click.option("--buffer", "buffer_bytes", type=Size(), metavar="SIZE",
              help="Size of the buffer for the records of each CPU.  [default: 8M for each CPU; less if all "
                   "together would exceed 64M]")
@witness_options()
@click.option("-o", "--output", metavar="FILE|DIR/",
              help="Write a capture of each OOM to FILE, or to a new file in DIR/. Or write one file of all: a page to "
                   "FILE.html, stacks to FILE.folded or, for pprof, to FILE.pb.gz. "
                   "`oomtrace read` reads captures.")
@click.option("--keep", type=Count(), metavar="N", help="Keep only the N newest captures in DIR/: 1 or more.")
@click.option("--keep-size", "keep_bytes", type=Size(), metavar="SIZE",
              help="Keep only the newest captures in DIR/, at most SIZE in total, such as 256M.")
@channel_options()
@format_option()
@click.option("--verify", is_flag=True, help="Compare each report with the kernel's own log, and print what differs.")
@click.option("-q", "--quiet", is_flag=True, help="Print no reports.")
@click.option("-v", "--verbose", is_flag=True,
              help="Also print how the kernel's structures were learnt, what is probed, and how much was received.")
@compile_option()
@color_option()
@click.option("--pid-file", metavar="FILE", help="Write the process id to FILE when all probes are attached.")
@click.option("--ready-file", metavar="FILE",
              help="Create FILE when all probes are attached. If FILE is a fifo, write a line to it; close it without "
                   "a line if the trace cannot start.")
@gather(TraceOptions, "options")
@gather(Selection, "selection")
@gather(_Until, "until")
@gather(_Output, "output")
@gather(_Announced, "announced")
def command(
    options: TraceOptions, selection: Selection, until: _Until, output: _Output, announced: _Announced, verify: bool,
    verbose: bool, **addresses: Any,
) -> int:
    """Trace the OOM killer until Ctrl-C, and print a report of each OOM.

    Each OOM is printed once the victim's memory is freed: mostly within 3 s of the kill, and after 10 s in any case.
    `--format kernel` prints right after the kill, unless --once or --count is given.

    A memory cgroup is called memcg below. PATTERN is a shell pattern: * stands for any text.
    """
    deadline = None if until.timeout is None else time.monotonic() + until.timeout
    _check(options, selection)
    bound, captures = shelf.shelf(output.keep, output.keep_bytes, output.output), target(output.output)
    channels = tell.opened(addresses)
    with ExitStack() as stack:
        ready = stack.enter_context(notify.Ready(announced.pid_file, announced.ready_file))
        log = stack.enter_context(closing(_kernel_log())) if verify else None
        trace = LiveTrace.start(say if verbose else nothing, say, options)
        stack.callback(trace.close)
        tell.count_looks(channels, lambda: trace.looks)
        say(f"oomtrace: ready ({trace.probes} probes)")
        ready.announce()
        from oomtrace.cli import report  # late: nothing of it is needed to be ready

        outlets = report.Outlets(output.form, output.quiet, output.colour, captures, bound, channels)
        sink = report.Sink(sys.stdout, outlets, say, log)
        tally = _Tally()
        _follow(trace, selection, until, sink, tally, deadline)
        sink.close()
        if verbose:
            say(f"oomtrace: {trace.received} records received")
        line = tally.closing(trace)
    sys.stderr.write(line)
    if trace.left_out:
        return EXIT_FAILURE
    return EXIT_TIMEOUT if until.timeout is not None and not tally.ooms else sink.status


def _follow(
    trace: LiveTrace, selection: Selection, until: _Until, sink: "Sink", tally: _Tally, deadline: Optional[float]
) -> None:
    """Events to the sink, until there are as many as are wanted."""

    def killed(event: "OomEvent") -> None:
        if until.ooms is None and selection.accepts(event):  # else another may be the last that is wanted
            sink.killed(event)

    def doomed(traced: "Traced") -> None:
        if selection.accepts(traced.event):
            sink.doomed(traced)

    for traced in trace.events(deadline, killed, doomed, _say_behind):
        if not selection.accepts(traced.event):
            continue
        sink.take(traced)
        tally.add(traced.event)
        if tally.ooms == until.ooms:
            break


def _say_behind(left: int) -> None:
    """It is to end, and that will take a while."""
    from oomtrace.why.units import plural  # late, as most traces are never behind

    say(f"oomtrace: {plural(left, 'report')} still to be written; another Ctrl-C (SIGINT or SIGTERM) leaves them out")


def _check(options: TraceOptions, selection: Selection) -> None:
    """Options that exclude each other. Raises OomtraceError."""
    stacks = options.stacks
    if selection.global_only and selection.memcg_only:
        raise OomtraceError("--global-only and --memcg-only exclude each other", None, EXIT_USAGE)
    if stacks != "off" and options.charges != "batch":
        raise OomtraceError(f"--stacks {stacks} samples batches of charges", "leave --charges at batch", EXIT_USAGE)
    if not options.witness and (selection.container or selection.pod):
        raise OomtraceError("--no-witness finds no containers for --container and --pod", None, EXIT_USAGE)


def _kernel_log() -> "KernelLog":
    from oomtrace.session.verify import KernelLog

    return KernelLog()

"""``oomtrace run``: a command in a memory cgroup of its own, traced."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

import click

from oomtrace.cli.options import Count, Size, compile_option, format_option, gather, witness_options
from oomtrace.cli.target import OutputTarget, target
from oomtrace.cli.voice import nothing, say
from oomtrace.errors import EXIT_UNEXPECTED, EXIT_USAGE, OomtraceError
from oomtrace.kernel.probes import KILLS_OF_COMMAND
from oomtrace.repro import cgroups, delegation, reader
from oomtrace.repro.command import Command, exempt
from oomtrace.repro.journal import UndoJournal
from oomtrace.repro.recorder import Recorder
from oomtrace.session.options import TraceOptions
from oomtrace.why.units import plural

if TYPE_CHECKING:
    from oomtrace.model import Code, OomEvent
    from oomtrace.session.receive import Traced

    Verdict = Callable[[list[Traced], int], str]

# How long events may come after the command's end: the first where its cgroup has counted kills, more of them (the
# kernel counts the first of a group twice), and those of the whole machine.
_FIRST_SECONDS = 60.0
_LATE_SECONDS = 5.0
_SURPLUS_SECONDS = 0.3


@click.command("run", short_help="Run a command in a new memory cgroup, and report its OOMs.",
               context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("--memory-max", type=Size(maximum=True), metavar="SIZE", help="Memory limit, such as 64M (memory.max).")
@click.option("--memory-high", type=Size(maximum=True), metavar="SIZE",
              help="Above this the kernel slows the command down (memory.high; cgroup v2 only).")
@click.option("--swap-max", type=Size(maximum=True), metavar="SIZE",
              help="Swap limit; 0 for no swap (memory.swap.max).")
@click.option("--oom-group", is_flag=True,
              help="If the kernel kills one process of the memcg, it kills all (memory.oom.group; cgroup v2 only).")
@click.option("--cgroup", metavar="NAME|/PATH",
              help="Name of the new memcg. It is made under the root, or with systemd and cgroup v2, in a scope that "
                   "systemd delegates. A /PATH is used as it is.  [default: oomtrace-run-PID]")
@click.option("--count", type=Count(), metavar="N", help="Report only the first N OOMs: 1 or more.")
@click.option("-o", "--output", metavar="FILE|DIR/",
              help="Write a capture of each OOM to FILE, or to a new file in DIR/. Or write one file of all: a page to "
                   "FILE.html, stacks to FILE.folded or, for pprof, to FILE.pb.gz. Reports are not printed then.")
@witness_options()
@format_option()
@click.option("--stacks/--no-stacks", "sample", default=None,
              help="Sample by which code the command charges memory, so that a report can name it; with --stacks also "
                   "tell so at the end if there was no OOM. It reads the command's stacks.  [default: sample; report "
                   "only after an OOM]")
@click.option("--stack-memory/--no-stack-memory", default=False,
              help="Also keep in captures the copies of processes' stacks and registers: functions can then be found "
                   "later, where more is known of the programs.  [default: no]")
@click.option("-q", "--quiet", is_flag=True, help="Print no reports.")
@click.option("-v", "--verbose", is_flag=True, help="Also print what is probed.")
@compile_option()
@click.option("--expect", metavar="oom|no-oom|victim=COMM",
              help=f"What you expect. Exit with 0 if it came, with {EXIT_UNEXPECTED} if not.")
@click.option("--fit", metavar="MIN..MAX",
              help="Find the smallest --memory-max under which the command succeeds, by running it again and again.")
@click.argument("words", nargs=-1, required=True, metavar="COMMAND…", type=click.UNPROCESSED)
@gather(TraceOptions, "options")
def command(
    words: tuple[str, ...],
    cgroup: Optional[str],
    count: Optional[int],
    output: Optional[str],
    form: str,
    sample: Optional[bool],
    quiet: bool,
    verbose: bool,
    expect: Optional[str],
    fit: Optional[str],
    options: TraceOptions,
    **limits: Any,
) -> int:
    """Run a command in a new memory cgroup (memcg), and report its OOMs.

    The reports go to standard error. Processes that the command leaves behind are killed, and the memcg is removed.

    Exit status: that of the command; 128 + N if signal N ended it; 127 if the command does not exist; 126 if it cannot
    be executed. With --expect, 0 if what you expect came, else 5. With --fit, 0 if a limit was found; 5 if the command
    is OOM-killed even under MAX; 1 if it fails there for another reason.
    """
    if fit is not None:
        _say_adj()
        return _fit(words, fit, _name(cgroup), form, limits, expect or output or count)
    if form == "pprof":
        raise OomtraceError("--format pprof: a profile is no text, and reports go to standard error",
                            "write it to a file: -o oom.pb.gz", EXIT_USAGE)
    verdict, captures = _verdict(expect), target(output)
    _say_adj()
    hierarchy = cgroups.find()
    files = _files(hierarchy, **limits)
    name = _name(cgroup)
    told = say if verbose else nothing
    options = replace(options, kills=KILLS_OF_COMMAND, stacks="off" if sample is False else "chosen")
    recorder = Recorder(told, say, options)
    status, path, pid = _run(words, name, files, hierarchy, recorder)
    # Now that the trace has ended, all has come that was to come, and it has told what it lost.
    events = [traced for traced in recorder.events if concerns(traced.event, path) or ended(traced.event, path, pid)]
    _report(events[:count], form, quiet, captures)
    if sample and not events and not quiet:
        _code(recorder.code, form, captures)
    if recorder.lost:
        say(f"oomtrace: {plural(recorder.lost, 'record')} lost: some reports are incomplete")
    if verdict is None:
        return status
    complaint = verdict([traced for traced in events if traced.event.is_oom], recorder.lost)
    if complaint:
        say(f"oomtrace: {complaint}")
    return EXIT_UNEXPECTED if complaint else 0


def _fit(words: Sequence[str], given: str, name: str, form: str, limits: Mapping[str, Any], besides: Any) -> int:
    """The command under one limit after the other."""
    from oomtrace.cli.fit import fit

    if besides or limits["memory_max"] is not None:
        allowed = "--memory-high, --swap-max, --oom-group, --cgroup and --format"
        raise OomtraceError(f"--fit can be combined only with {allowed}", None, EXIT_USAGE)
    hierarchy = cgroups.find()

    def files(memory_max: str) -> dict[str, str]:
        return _files(hierarchy, **{**limits, "memory_max": memory_max})

    files("max")  # what this machine has not is told before anything is run
    return fit(words, given, name, files, hierarchy, form)


def _run(
    words: Sequence[str], name: str, files: Mapping[str, str], hierarchy: cgroups.Hierarchy, recorder: Recorder
) -> tuple[int, str, int]:
    """The command from the trace's beginning to its end; returns its status, its cgroup's path and its pid."""
    with ExitStack() as stack:
        stack.callback(recorder.stop)
        recorder.start()
        journal = stack.enter_context(UndoJournal(lambda problem: say(f"oomtrace: {problem}")))
        unit = f"oomtrace-run-{os.getpid()}"
        above = "" if name.startswith("/") else stack.enter_context(delegation.scope(unit, hierarchy, journal))
        path = f"{above}/{name.strip('/')}"
        running = Command(words, path, hierarchy, journal)
        running.make_cgroup(files)
        recorder.sample(running.cgroup_id)
        status = running.run(recorder.descriptor, recorder.receive)
        recorder.settle(_FIRST_SECONDS, lambda: _kills(recorder.events, path) >= min(running.kills(), 1))
        recorder.settle(_LATE_SECONDS, lambda: _kills(recorder.events, path) >= running.kills())
        recorder.drain(_SURPLUS_SECONDS, _LATE_SECONDS)
    return status, path, running.pid


def _say_adj() -> None:
    if exempt():
        say("oomtrace: oom_score_adj is -1000 here; the command gets 0, or it could not be OOM-killed")


def _name(cgroup: Optional[str]) -> str:
    """What --cgroup says, if it can be a cgroup's."""
    name = cgroup or f"oomtrace-run-{os.getpid()}"
    try:
        parts = cgroups.split("/" + name.strip("/"))
    except ValueError as error:
        raise OomtraceError(f"--cgroup {cgroup}: {error}", None, EXIT_USAGE) from error
    if not parts:
        raise OomtraceError(f"--cgroup {cgroup}: the root cgroup exists already", None, EXIT_USAGE)
    return name


def _files(
    hierarchy: cgroups.Hierarchy,
    memory_max: Union[int, str, None],
    memory_high: Union[int, str, None],
    swap_max: Union[int, str, None],
    oom_group: bool,
) -> dict[str, str]:
    """Knobs and their values, in the order in which cgroup v1 takes them. Raises OomtraceError for what it has not."""
    given = {"memory.max": memory_max, "memory.high": memory_high, "memory.swap.max": swap_max}
    files = {knob: str(value) for knob, value in given.items() if value is not None}
    if oom_group:
        files["memory.oom.group"] = "1"
    if swap_max is not None and memory_max in (None, "max") and hierarchy.version == 1:
        raise OomtraceError("--swap-max needs --memory-max: cgroup v1 limits both together",
                            "add --memory-max SIZE, such as 64M", EXIT_USAGE)
    for knob in files:
        hierarchy.file("/", knob)
    return files


def concerns(event: "OomEvent", path: str) -> bool:
    """Whether an OOM is that of the cgroup: its limit, its victim, or its request for memory."""
    report = event.report
    paths = [report.memcg.path if report.memcg else None, report.victim_memcg, report.trigger.memcg]
    return any(one is not None and f"{one}/".startswith(f"{path}/") for one in paths)


def ended(event: "OomEvent", path: str, pid: int) -> bool:
    """Whether somebody else than the OOM killer ended the command, or from outside one of the cgroup's processes."""
    killed = event.killed
    if killed is None:
        return False
    if any(victim.pid == pid for victim in killed.victims):
        return True
    sender = killed.sender
    inside = sender is not None and f"{sender.memcg}/".startswith(f"{path}/")
    ours = sender is not None and sender.pid == os.getpid()  # what a command leaves behind is killed in the end
    return not (inside or ours) and any(f"{victim.memcg}/".startswith(f"{path}/") for victim in killed.victims)


def _kills(events: "list[Traced]", path: str) -> int:
    concerned = [traced.event.report for traced in events if concerns(traced.event, path)]
    return sum(len({kill.pid for kill in report.kills}) for report in concerned)


def _verdict(expect: Optional[str]) -> "Optional[Verdict]":
    """What --expect asks of the OOMs, and of the number of lost records: a function that says what is wrong with them,
    or nothing."""
    if expect is None:
        return None
    if expect == "oom":
        return lambda ooms, lost: "" if ooms else "expected an OOM, and none came"
    if expect == "no-oom":
        return _none
    kind, _, comm = expect.partition("=")
    if kind != "victim" or not comm:
        raise OomtraceError(f"--expect {expect}: expected oom, no-oom or victim=COMM", None, EXIT_USAGE)
    try:
        reader.comm(comm)
    except reader.Wrong as error:
        raise OomtraceError(f"--expect {expect}: {error}", None, EXIT_USAGE) from error

    def killed(ooms: "list[Traced]", lost: int) -> str:
        names = [kill.comm for traced in ooms for kill in traced.event.report.kills]
        return "" if comm in names else f"expected {comm} to be killed, not {', '.join(names) or 'nobody'}"

    return killed


def _none(ooms: "list[Traced]", lost: int) -> str:
    if ooms:
        return f"expected no OOM, and {len(ooms)} came"
    return f"expected no OOM, and {plural(lost, 'lost record')} may have told of one" if lost else ""


def _code(code: "Optional[Code]", form: str, written: Optional[OutputTarget]) -> None:
    """By which code a command charged memory that met no OOM."""
    from oomtrace import output, why
    from oomtrace.model import OomEvent

    event = OomEvent(code=code)
    if code is None:
        say("oomtrace: no OOM; the command charged too little memory for a sample")
    elif written is not None and written.form in ("folded", "pprof"):
        from oomtrace.cli.stacksfile import StacksFile

        file = StacksFile(written.whole, written.form)
        file.take(event)
        file.write()
    elif form == "folded":
        writer = output.writer(form, sys.stderr)
        writer.event(event)
        writer.finish()
    else:
        finding = why.explain(event).finding("code")
        say("oomtrace: no OOM")
        for words in (finding.sentence, finding.interpretation) if finding is not None else ():
            say(textwrap.fill(words or "", 100, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False))


def _report(events: "list[Traced]", form: str, quiet: bool, captures: Optional[OutputTarget]) -> None:
    from oomtrace.cli import report

    outlets = report.Outlets(form, quiet or captures is not None, target=captures)
    sink = report.Sink(sys.stderr, outlets, say)
    for traced in events:
        sink.take(traced)
    sink.close()

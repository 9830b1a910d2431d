"""``oomtrace repro``: a reproduction that YAML describes."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Optional, TextIO

import click

from oomtrace.cli import notify
from oomtrace.cli.options import compile_option, format_option
from oomtrace.cli.target import OutputTarget, target
from oomtrace.cli.voice import nothing, say
from oomtrace.errors import EXIT_UNEXPECTED, EXIT_UNMET, OomtraceError
from oomtrace.model import OomEvent
from oomtrace.repro import cgroups, needs, parse
from oomtrace.repro.judge import kernel_text
from oomtrace.repro.recorder import Recorder
from oomtrace.repro.reproduce import Outcome, reproduce
from oomtrace.repro.spec import Scenario
from oomtrace.why.units import plural


@click.command("repro", short_help="Make OOMs that YAML files describe, and check that they come as expected.")
@click.argument("files", nargs=-1, required=True, metavar="FILE.yaml…", type=click.Path())
@click.option("--check", is_flag=True, help="Run nothing. Check the files, and print what is wrong and where.")
@click.option("--i-mean-it", "mean_it", is_flag=True, help="Also run files that say that they endanger this machine.")
@click.option("--no-trace", is_flag=True, help="Make the OOM but do not trace it, for use with another tracer.")
@click.option("-o", "--output", metavar="FILE|DIR/",
              help="Write a capture of each OOM to FILE, or to a new file in DIR/. Or write one file of all: a page to "
                   "FILE.html, stacks to FILE.folded or, for pprof, to FILE.pb.gz.")
@format_option()
@click.option("-q", "--quiet", is_flag=True, help="Print no reports.")
@compile_option()
@click.option("--results", type=click.File("w"), metavar="FILE",
              help="Write a line of JSON for each file: the result, or with --check what the file describes.")
@click.option("--mark", is_flag=True, help="Write a line into the kernel's log before each file is run.")
@click.option("--ready-file", metavar="FILE", help="Create FILE when all probes are attached.")
@click.option("-v", "--verbose", is_flag=True, help="Also print what is probed.")
def command(
    files: tuple[str, ...],
    check: bool,
    mean_it: bool,
    no_trace: bool,
    output: Optional[str],
    form: str,
    quiet: bool,
    results: Optional[TextIO],
    mark: bool,
    ready_file: Optional[str],
    verbose: bool,
) -> int:
    """Make OOMs that YAML files describe, and check that they come as expected.

    - is standard input. docs/reproductions.md describes the language of these files.

    Exit status: 0 if all is as expected; 5 if not; 6 if this machine does not have what a file needs, or already has a
    cgroup that it would make; 2 if a file is wrong.
    """
    scenarios = _load([Path(file) for file in files])
    if check:
        for file, scenario in zip(files, scenarios):
            _write(results, {"file": file, **asdict(scenario)})
        return 0
    captures = target(output)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    hierarchy = cgroups.find()
    status = 0
    with ExitStack() as stack:
        ready = stack.enter_context(notify.Ready(None, ready_file))
        recorder = None if no_trace else Recorder(say if verbose else nothing, say)
        if recorder:
            stack.callback(recorder.stop)
            recorder.start()
        ready.announce()
        sink = _sink(form, quiet or no_trace, captures)
        for scenario in scenarios:
            reasons = needs.unmet(scenario, hierarchy, mean_it)
            if reasons:
                say(f"{scenario.name}: skipped: {'; '.join(reasons)}")
                _write(results, {"scenario": scenario.name, "outcome": "skipped", "reasons": reasons})
                status = status or EXIT_UNMET
                continue
            if mark:
                _mark(scenario.name)
            outcome = reproduce(scenario, hierarchy, recorder)
            for traced in outcome.events:
                sink.take(traced)
            say(_line(outcome))
            _write(results, _document(outcome))
            status = EXIT_UNEXPECTED if outcome.problems else status
        sink.close()
    return status


def _load(files: Sequence[Path]) -> list[Scenario]:
    """All files, or the complaints about all of them."""
    scenarios, complaints = [], []
    for file in files:
        try:
            scenarios.append(parse.load(file))
        except OomtraceError as error:
            complaints.append(error)
    if complaints:
        raise OomtraceError("\n".join(error.message for error in complaints), None, complaints[0].status)
    return scenarios


def _mark(name: str) -> None:
    with open("/dev/kmsg", "w") as log:
        log.write(f"oomtrace repro: {name}\n")


def _sink(form: str, quiet: bool, captures: Optional[OutputTarget]) -> Any:
    from oomtrace.cli import report

    return report.Sink(sys.stdout, report.Outlets(form, quiet, target=captures), say)


def _line(outcome: Outcome) -> str:
    events = [traced.event for traced in outcome.events]
    counts = (
        (sum(event.is_oom for event in events), "OOM"), (sum(len(event.report.kills) for event in events), "kill"),
        (sum(event.trace.wait is not None for event in events), "wait"),
        (sum(event.trace.failure is not None for event in events), "failed charge"), (outcome.lost or 0, "lost record"),
    )
    said = ", ".join(plural(number, what) for number, what in counts if number or what in ("OOM", "kill"))
    seconds = (outcome.end_ns - outcome.begin_ns) / 1e9
    found = f"{outcome.scenario.name}: {said} in {seconds:.1f} s"
    return found + "".join(f"\n  {problem}" for problem in outcome.problems)


def _document(outcome: Outcome) -> dict[str, Any]:
    return {
        "scenario": outcome.scenario.name,
        "outcome": "unexpected" if outcome.problems else "expected",
        "problems": outcome.problems,
        "begin_ns": outcome.begin_ns,
        "end_ns": outcome.end_ns,
        "lost": outcome.lost,
        "events": [_event(traced.event) for traced in outcome.events],
    }


def _event(event: OomEvent) -> dict[str, Any]:
    return {
        "kind": event.kind,
        "printed": event.trace.printed,
        "unprinted_reason": event.trace.unprinted_reason,
        "missing": list(event.origin.missing),
        "records_lost": event.trace.records_lost,
        "text": kernel_text(event),
    }


def _write(stream: Optional[TextIO], document: dict[str, Any]) -> None:
    if stream is not None:
        stream.write(json.dumps(document) + "\n")
        stream.flush()

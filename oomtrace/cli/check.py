"""``oomtrace check``: what works on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from oomtrace import __version__, diagnosis
from oomtrace.cli.options import compile_option
from oomtrace.diagnosis.rows import DEGRADED, IMPOSSIBLE, INFO, OK
from oomtrace.output.terminal import escaped

_MARKS = {OK: "ok", INFO: "-", DEGRADED: "LOST", IMPOSSIBLE: "FAIL"}
_VERDICTS = {
    OK: "everything works",
    DEGRADED: "tracing works, but reports lack what is marked LOST",
    IMPOSSIBLE: "tracing does not work here; reading logs and captures does",
}


@click.command("check", short_help="Check what works on this machine.")
@compile_option()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="text, or json for programs.")
def command(form: str) -> int:
    """Check what works on this machine: privileges, settings, probes.

    Each probe is attached and detached again. Put the output into bug reports. LOST: reports will lack something. FAIL:
    tracing does not work. -: for your information; it does not count for the exit status.

    Exit status: 0 if everything works; 1 if reports will lack something; 2 if tracing does not work.
    """
    found = diagnosis.diagnose()
    if form == "json":
        click.echo(json.dumps(found.to_plain(), indent=2))
    else:
        click.echo("\n".join(lines(found)))
    return found.exit_status


def lines(found: diagnosis.Diagnosis) -> Iterator[str]:
    """The diagnosis for people."""
    yield f"oomtrace {__version__}, Python {found.facts['python']}: {_VERDICTS[found.state]}"
    for row in found.rows:
        yield f"  {_MARKS[row.state]:<5}{row.name:<12}{escaped(row.found)}"
        if row.hint and row.state != OK:
            yield f"  {'':<17}{escaped(row.hint)}"
    width = max((len(probe.program) for probe in found.probes), default=0) + 2
    for probe in found.probes:
        yield f"  {_MARKS[probe.state]:<5}{probe.program:<{width}}{escaped(_said(probe))}".rstrip()


def _said(probe: diagnosis.ProbeRow) -> str:
    named = "" if probe.symbol in (None, probe.program) else f"as {probe.symbol}"
    loses = f"without it: {probe.loses}" if probe.loses else None
    return "; ".join(filter(None, (named, probe.reason, loses)))

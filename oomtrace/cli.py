"""The command line: joins the rooms, holds no logic."""

from __future__ import annotations

import sys

import click

from oomtrace import __version__, text
from oomtrace.tracing import Trace


@click.group(invoke_without_command=True)
@click.version_option(__version__)
@click.pass_context
def main(context: click.Context) -> None:
    """Trace the Linux OOM killer."""
    trace = Trace(lambda m: click.echo(m, err=True), lambda m: click.echo(m, err=True))
    trace.start()
    click.echo("oomtrace: ready", err=True)
    for event in trace.events():
        for record in text.write(event):
            sys.stdout.write(f"{record.text}\n")
        sys.stdout.flush()
    trace.close()

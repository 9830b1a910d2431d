"""``oomtrace schema``: the JSON Schema of the JSON and YAML output."""

from __future__ import annotations

import json

import click

from oomtrace import output


@click.command("schema", short_help="Print the JSON Schema of the JSON output.")
def command() -> int:
    """Print the JSON Schema of what --format json, jsonl and yaml write."""
    click.echo(json.dumps(output.schema(), indent=2))
    return 0

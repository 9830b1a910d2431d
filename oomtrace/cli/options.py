"""Options that several commands have."""

from __future__ import annotations

from typing import Any, Callable, Optional

import click

# output.FORMATS by name; to import that takes longer than to start tracing (a test compares).
FORMATS = ("text", "kernel", "why", "json", "jsonl", "yaml")


def format_option() -> Callable[[Any], Any]:
    """``--format``, refused before anything is started if there is no such format."""
    return click.option(
        "--format", "form", type=click.Choice(FORMATS), default="text", metavar="FORMAT",
        help="text, kernel, why, json, jsonl or yaml.",
    )


class Seconds(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in click 8.2+ alone
    """A time to wait, as long as poll(2) can at most."""

    name = "seconds"
    MOST = 2_000_000.0  # 23 days

    def convert(self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= self.MOST:  # not a number is not, either
            self.fail(f"expected seconds, from 0 to {self.MOST:.0f}, not {value!r}", param, ctx)
        return seconds

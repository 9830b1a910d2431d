"""Options that several commands have."""

from __future__ import annotations

import dataclasses
import functools
import os
from typing import Any, Callable, Optional

import click

from oomtrace import sizes, tell
from oomtrace.output import FORMATS

_COLOURS = {"auto": None, "always": True, "never": False}


def gather(kind: Any, name: str) -> Callable[[Any], Any]:
    """The options that are called like the fields of the dataclass ``kind`` reach the command as one object, ``name``.
    Stands last of the command's decorators. Fields that the command has no option for keep their defaults."""
    fields = {field.name for field in dataclasses.fields(kind)}

    def gathering(command: Any) -> Any:
        @functools.wraps(command)
        def gathered(**given: Any) -> Any:
            own = {field: given.pop(field) for field in fields & given.keys()}
            return command(**given, **{name: kind(**own)})

        return gathered

    return gathering


def format_option() -> Callable[[Any], Any]:
    """``--format``, refused before anything is started if there is no such format."""
    about = "; ".join(f"{name}: {format.about}" for name, format in FORMATS.items())
    return click.option(
        "--format", "form", type=click.Choice(list(FORMATS)), default="text", metavar="FORMAT",
        help=f"What to print. {about}.  [default: text]",
    )


def color_option() -> Callable[[Any], Any]:
    """``--color``: given to the command as ``colour``, None where the terminal decides."""
    return click.option(
        "--color", "colour", type=click.Choice(list(_COLOURS)), default="auto",
        callback=lambda _context, _param, word: _COLOURS[word],
        help="Colour the output. auto: if it is a terminal, and NO_COLOR is not set.  [default: auto]",
    )


def compile_option() -> Callable[[Any], Any]:
    """``--compile``, for the whole process and those that it forks."""

    def ask(_context: click.Context, _param: click.Parameter, wanted: bool) -> None:
        if wanted:
            os.environ["OOMTRACE_COMPILE"] = "1"

    return click.option(
        "--compile", is_flag=True, expose_value=False, callback=ask,
        help="Compile the BPF programs for this kernel (needs bcc), instead of using those that oomtrace comes with.",
    )


def witness_options() -> Callable[[Any], Any]:
    """``--no-witness`` and ``--no-cmdline``: given to the command as ``witness`` and ``cmdline``, True unless asked."""
    about = {
        "cmdline": "Do not read command lines of processes.",
        "witness": "Do not look at processes and containers when a memcg nears its limit, and when an OOM begins.",
    }

    def added(command: Any) -> Any:
        for name, text in about.items():
            option = click.option(f"--no-{name}", name, is_flag=True, default=True, flag_value=False, help=text)
            command = option(command)
        return command

    return added


def channel_options() -> Callable[[Any], Any]:
    """The option of each channel of ``tell``, given to the command by the name of the channel's module."""

    def added(command: Any) -> Any:
        for name, module in reversed(tell.modules().items()):
            option: tell.Option = module.OPTION
            command = click.option(
                option.flag, name, is_flag=option.metavar is None, metavar=option.metavar, help=option.help
            )(command)
        return command

    return added


class Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in click 8.2+ alone
    """A size in bytes, such as 64M; with ``maximum``, "max" is one, too."""

    name = "size"

    def __init__(self, maximum: bool = False) -> None:
        self._maximum = maximum

    def convert(self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> Any:
        if isinstance(value, int) or (self._maximum and value == "max"):
            return value
        try:
            return sizes.parse(str(value))
        except ValueError as error:
            self.fail(f"{error}, not {value!r}", param, ctx)


class Count(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in click 8.2+ alone
    """How many: 1 or more. click's own range adds ``[x>=1]`` to the help."""

    name = "count"

    def convert(self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> int:
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"expected a number, 1 or more, not {value!r}", param, ctx)
        return number


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

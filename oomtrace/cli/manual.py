"""The manual page, made from the same commands as ``--help``: ``python3 -m oomtrace.cli.manual >man/oomtrace.1``.

click-man would make a page for each command, of the installed package, with click 8 alone; this makes one page, and the
same with every click.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator

import click

from oomtrace import __version__, cli, errors
from oomtrace.kernel import privileges

_COMPLETION = (
    ("click 8", 'eval "$(_OOMTRACE_COMPLETE=bash_source oomtrace)"'),
    ("click 7.1 (Debian 11)", 'eval "$(_OOMTRACE_COMPLETE=source_bash oomtrace)"'),
)
_FILES = (
    ("/var/cache/oomtrace", "Compiled programs, one file for each kernel. $OOMTRACE_CACHE names another folder."),
    ("/var/lib/oomtrace", "Captures that the service oomtrace.service has written."),
)


def page() -> str:
    """The page in roff's man macros."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    context = click.Context(cli.group, info_name="oomtrace")
    about, *more = _paragraphs(cli.group)
    yield '.\\" Made by python3 -m oomtrace.cli.manual; do not edit.'
    yield f'.TH OOMTRACE 1 "" "oomtrace {__version__}" "User Commands"'
    yield from (".SH NAME", "oomtrace \\- trace the Linux OOM killer, and explain its reports")
    yield from (".SH SYNOPSIS", ".B oomtrace", "[\\fICOMMAND\\fR] [\\fIOPTION\\fR]...")
    yield from (".SH DESCRIPTION", _escaped(about))
    for text in more:
        yield from (".PP", _escaped(text))
    yield from _options(cli.group)
    yield ".SH COMMANDS"
    for name in cli.group.list_commands(context):
        command = cli.group.get_command(context, name)
        if command is not None:
            yield from _command(name, command)
    yield from _section("EXIT STATUS", [(str(status), text) for status, text in errors.STATUSES.items()])
    yield from (".PP", "run without --expect ends as its command does, and check has statuses of its own: see above.")
    yield from _section("CAPABILITIES", [
        (need.capability, f"{need.purpose[:1].upper()}{need.purpose[1:]}.") for need in privileges.NEEDS
    ])
    yield from (".PP", _escaped("Root has them all. Where kernel.perf_event_paranoid is 3 or more (Debian, Ubuntu), "
                                "users other than root need CAP_SYS_ADMIN as well; from Linux 6.15 on "
                                "CAP_DAC_READ_SEARCH, for a word of the CPU: line."))
    yield from _section("FILES", _FILES)
    yield from _section("SHELL COMPLETION", _COMPLETION)
    yield from (".PP", _escaped("For zsh and fish, put their name for bash."))
    yield from (".SH SEE ALSO", ".BR dmesg (1),", ".BR journalctl (1),", ".BR systemd.resource-control (5)")


def _command(name: str, command: click.Command) -> Iterator[str]:
    words = [_value(param) for param in command.params if isinstance(param, click.Argument)]
    yield f".SS oomtrace {_escaped(' '.join([name, '[OPTION]...', *words]))}"
    for number, text in enumerate(_paragraphs(command)):
        yield from ([".PP"] if number else []) + [_escaped(text)]
    yield from _options(command)


def _options(command: click.Command) -> Iterator[str]:
    for param in command.params:
        if not isinstance(param, click.Option):
            continue
        value = "" if param.is_flag or param.count else f" \\fI{_escaped(_value(param))}\\fR"
        named = ", ".join(f"\\fB{_escaped(name)}\\fR" for name in (*param.opts, *param.secondary_opts))
        yield from (".TP", f"{named}{value}", _escaped(param.help or ""))


def _value(param: click.Parameter) -> str:
    """What stands for the value; make_metavar differs between the versions of click."""
    if param.metavar:
        return param.metavar
    if isinstance(param.type, click.Choice):
        return "|".join(map(str, param.type.choices))
    return (param.name or "value").upper()


def _section(title: str, rows: "list[tuple[str, str]] | tuple[tuple[str, str], ...]") -> Iterator[str]:
    yield f".SH {title}"
    for term, text in rows:
        yield from (".TP", f".B {_escaped(term)}", _escaped(text))


def _paragraphs(command: click.Command) -> list[str]:
    text = inspect.cleandoc(command.help or "").replace("\b", "")
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]


def _escaped(text: str) -> str:
    """Text for roff: no macro at a line's beginning, hyphens that can be copied, ASCII."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("``", "")
    text = re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)
    return "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in text)


if __name__ == "__main__":
    sys.stdout.write(page())

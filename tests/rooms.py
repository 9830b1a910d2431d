"""The rooms of the house: what lives in each, and what it may import.

This is the one table of them. ``test_rooms.py`` holds the code to it; ``python -m tests.rooms`` prints it as Markdown,
and with ``--write`` puts it into docs/contributing.md (between the lines BEGIN and END, where a test compares).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "contributing.md"
BEGIN, END = "<!-- rooms: begin -->", "<!-- rooms: end -->"


@dataclass(frozen=True)
class Room:
    """A package or module of oomtrace, or ``vm``. ``may_import`` names other rooms, ``libraries`` what is neither
    oomtrace's nor the standard library's."""

    name: str
    what: str
    may_import: frozenset[str] = frozenset()
    libraries: frozenset[str] = frozenset()


def _room(name: str, what: str, may_import: str = "", libraries: str = "") -> Room:
    return Room(name, what, frozenset(may_import.split()), frozenset(libraries.split()))


ROOMS = (
    _room("version", "the version"),
    _room("errors", "the error type (message, hint, exit status)"),
    _room("shipped", "files that are shipped with the code, in an installation, a checkout or a .pyz"),
    _room("sizes", "sizes as people write them: `64M`"),
    _room("escape", "what may reach a terminal"),
    _room("model", "an OOM, as frozen dataclasses: units in names, absent is `None`"),
    _room("plain", "what JSON holds → dataclasses, by the types of their fields"),
    _room("facts", "what must be known of a machine to read its records elsewhere", "plain"),
    _room("history", "facts of kernels by version, each with its commit"),
    _room("arch", "what differs between the architectures that a trace runs on: a row each"),
    _room("kernel", "what the running kernel is: BTF, symbols, settings; which probe attaches where",
          "errors arch facts history"),
    _room("programs", "what is loaded: BPF programs shipped, kept from an earlier start, or compiled now",
          "version errors arch shipped facts kernel", "bcc"),
    _room("live", "load, attach, poll, count losses; gives bytes", "errors kernel programs"),
    _room("wire", "bytes ↔ records ↔ events; capture files. Needs no root, no bcc, no Linux",
          "errors arch facts model history plain"),
    _room("witness", "what dies with the victim and no kernel structure keeps: command lines, containers, maps",
          "errors model"),
    _room("code", "stacks of processes → frames with names", "errors model plain"),
    _room("formats", "the kernel's lines as data: a row a line and version range", "errors history"),
    _room("text", "log text → reports → events, and events → the kernel's text", "errors model history formats",
          "zstandard"),
    # text: --verify reads the kernel's own log, and sets its report beside ours.
    _room("session", "a live trace: joins the rooms above into a stream of events",
          "errors arch facts model plain kernel programs live wire witness code text"),
    _room("why", "the analysis: what happened, with evidence and confidence", "model history"),
    _room("page", "the page to look at: templates, pictures", "errors escape model text code why",
          "jinja2 markupsafe"),
    # formats: which kernel's words a report is written in.
    _room("output", "one writer a format; writes to a stream that it is given",
          "errors escape plain model formats text why page", "yaml"),
    # output: what others are sent is written by the same writers.
    _room("tell", "who else hears of an OOM: the journal, a command, metrics, a collector",
          "version errors escape model why output", "opentelemetry"),
    # why and text: a scenario says which findings, and which lines of the report, are expected.
    _room("repro", "reproductions, and commands in a cgroup of their own",
          "errors sizes model text why session", "yaml"),
    # Not session, which needs all to work: a check tries each part by itself. bcc: whether it is installed.
    _room("diagnosis", "what works on this machine", "version errors arch kernel programs live witness", "bcc"),
    _room("service", "oomtrace.pyz as a service of systemd", "errors shipped"),
    _room("cli", "the commands; joins the rooms, holds no logic; nothing imports it",
          "version errors sizes escape model kernel formats text wire why output tell page session repro diagnosis "
          "service",
          "click"),
    _room("begin", "the command from its first line: what need not wait until the command line is loaded",
          "programs session cli"),
    _room("main", "`python3 -m oomtrace`", "begin"),
    _room("vm", "images, boot, a command in a guest, scenarios, benchmarks. Beside oomtrace, which it never imports"),
)

_FILES = {"version": "__init__", "main": "__main__"}


@dataclass(frozen=True)
class Import:
    """An import: the file and line of it, and the full name of the module or of what is imported from it."""

    where: str
    room: str
    name: str


def room_of(name: str) -> str:
    """The room that a full name is in: ``oomtrace.wire.layout`` is in ``wire``; elsewhere, the top-level package."""
    top, *rest = name.split(".")
    if top != "oomtrace":
        return top
    first = rest[0] if rest else "__init__"
    return next((room for room, file in _FILES.items() if file == first), first)


@lru_cache(maxsize=1)
def imports() -> tuple[Import, ...]:
    """Every import in ``oomtrace/`` and ``vm/``, wherever in its file it stands."""
    return tuple(_imports())


def _imports() -> Iterator[Import]:
    for top in ("oomtrace", "vm"):
        for path in sorted((REPOSITORY / top).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            tree = ast.parse(path.read_text(), str(path))
            for line, name in imported(tree, list(parts[:-1])):
                yield Import(f"{path.relative_to(REPOSITORY)}:{line}", room_of(".".join(parts)), name)


def imported(tree: ast.AST, package: list[str]) -> Iterator[tuple[int, str]]:
    """The line and full name of each import in a module of that package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                # `from oomtrace import __version__` is a name in the package itself, `… import why` a room.
                own = module == "oomtrace" and not _is_room(alias.name)
                yield node.lineno, module if own else f"{module}.{alias.name}"
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, name) for name in _by_string(node))


def _is_room(name: str) -> bool:
    return (REPOSITORY / "oomtrace" / name).is_dir() or (REPOSITORY / "oomtrace" / f"{name}.py").is_file()


def _by_string(call: ast.Call) -> Iterator[str]:
    """``import_module("oomtrace.cli.trace")``, and the beginning of what is put together."""
    function = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if function not in ("import_module", "__import__") or not call.args:
        return
    name = call.args[0]
    if isinstance(name, ast.JoinedStr) and name.values:
        name = name.values[0]
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        yield name.value.rstrip(".")


def markdown() -> str:
    """The table for people."""
    lines = ["| room | what lives there | may import |", "|---|---|---|"]
    for room in ROOMS:
        folder = f"`{room.name}/`" if room.name == "vm" else f"`oomtrace/{room.name}/`"
        if (REPOSITORY / "oomtrace" / f"{_FILES.get(room.name, room.name)}.py").is_file():
            folder = f"`oomtrace/{_FILES.get(room.name, room.name)}.py`"
        names = [each.name for each in ROOMS if each.name in room.may_import] + sorted(room.libraries)
        lines.append(f"| {folder} | {room.what} | {', '.join(names) or 'the standard library alone'} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or with ``--write`` put it into the page."""
    if sys.argv[1:] != ["--write"]:
        print(markdown())
        return
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{markdown()}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()

"""The house keeps to its table of rooms: every import, late ones and those for types alone, with no exception."""

from __future__ import annotations

import ast
import sys

import pytest

from tests.rooms import BEGIN, END, PAGE, ROOMS, imported, imports, markdown, room_of

BY_NAME = {room.name: room for room in ROOMS}


def test_a_room_imports_what_it_may() -> None:
    wrong = []
    for each in imports():
        room, other = BY_NAME.get(each.room), room_of(each.name)
        if room is None:
            wrong.append(f"{each.where}: {each.room} is not in the table of rooms")
        elif other in BY_NAME and other != room.name and other not in room.may_import:
            wrong.append(f"{each.where}: {room.name} may not import {other}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 has no list of its own modules")
def test_a_room_uses_the_libraries_that_it_names() -> None:
    own = set(getattr(sys, "stdlib_module_names", ())) | set(BY_NAME)
    wrong = [
        f"{each.where}: {each.room} may not import {each.name}"
        for each in imports()
        if room_of(each.name) not in own | BY_NAME[each.room].libraries
    ]
    assert not wrong, "\n".join(wrong)


def test_what_may_import_what_has_no_circle() -> None:
    assert len(BY_NAME) == len(ROOMS)
    left = {room.name: set(room.may_import) for room in ROOMS}
    assert set().union(*left.values()) <= set(left), "rooms that are not in the table"
    while left:
        free = {name for name, needs in left.items() if not needs & set(left)}
        assert free, f"a circle: {left}"
        left = {name: needs for name, needs in left.items() if name not in free}


@pytest.mark.parametrize("source, names", [
    ("import oomtrace.wire.layout", ["oomtrace.wire.layout"]),
    ("from oomtrace.wire import layout", ["oomtrace.wire.layout"]),
    ("from oomtrace import why, __version__", ["oomtrace.why", "oomtrace"]),
    ("from . import cgroups", ["oomtrace.repro.cgroups"]),
    ("from ..wire.capture import load", ["oomtrace.wire.capture.load"]),
    ("def f():\n    from oomtrace.wire import layout", ["oomtrace.wire.layout"]),
    ("if TYPE_CHECKING:\n    from oomtrace.wire import layout", ["oomtrace.wire.layout"]),
    ("importlib.import_module('oomtrace.cli.read')", ["oomtrace.cli.read"]),
    ("importlib.import_module(f'oomtrace.cli.{name}')", ["oomtrace.cli"]),
])
def test_every_way_to_import_is_seen(source: str, names: list[str]) -> None:
    assert [name for _, name in imported(ast.parse(source), ["oomtrace", "repro"])] == names


def test_every_room_that_is_there_is_in_the_table() -> None:
    there: set[str] = {each.room for each in imports()}
    assert there <= set(BY_NAME) and {"wire", "session", "live", "vm", "main"} <= there


@pytest.mark.skipif(not PAGE.exists(), reason="there is no docs/contributing.md")
def test_the_page_for_contributors_has_the_same_table() -> None:
    page = PAGE.read_text()
    assert page.split(BEGIN)[1].split(END)[0].strip() == markdown(), "python -m tests.rooms --write puts it there"

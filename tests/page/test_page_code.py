"""Whose code: the flame graph, its numbers, and the stacks."""

from __future__ import annotations

import re
from dataclasses import replace

from oomtrace.model import Code, CodeSample, ThreadStack
from oomtrace.page.flame import Node, picture
from tests.codes import CODE, MIB
from tests.events import changed
from tests.page import scenes
from tests.page.scenes import captured, page


def shown(code: Code) -> str:
    source = page(changed(captured("demo"), code=code))
    return source[source.index('<section id="code"') : source.index('<details id="tasks"')]


def test_the_graph_is_readable_without_the_script() -> None:
    part = shown(CODE)
    titles = re.findall(r"<title>(.*?)</title>", part)
    assert titles[:4] == [
        "all: 61.0 MiB, 100.0 %", "catalog (158): 48.0 MiB, 78.7 %", "__libc_start_main: 44.0 MiB, 72.1 %",
        "main: 44.0 MiB, 72.1 %"]
    assert '<svg class="f-own" x="0%" y="95" width="59.016%"><rect/><text x="4" y="13">parse_row</text>' in part
    assert "Who charged, by call: catalog (158) 78.7 %; __libc_start_main 72.1 %; main 72.1 %;" in part
    assert '<div class="tools" hidden>' in part


def test_a_charge_within_a_library_counts_for_who_called_it() -> None:
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td[^>]*>(.*?)</td>", shown(CODE))
    assert rows[:3] == [("parse_row", "catalog.c", "36.0 MiB"), ("Catalog.fill", "catalog.py", "12.0 MiB"),
                        ("make_cache", "catalog.c", "8.0 MiB")]


def test_stacks_without_samples() -> None:
    part = shown(Code(CODE.frames, CODE.stacks, asker=ThreadStack(7, 7, "hog", 2)))
    assert "hog (7) asked" in part and "(the copy of the stack ended here)" in part
    assert "<svg" not in part


def test_without_code_there_is_no_part() -> None:
    assert 'id="code"' not in page(captured("demo"))


def test_damaged_indexes_break_nothing() -> None:
    assert "no stack" in shown(replace(CODE, samples=(CodeSample(99, 1, 1, "x", MIB),)))


def test_many_stacks_are_few_frames_and_none_without_its_caller() -> None:
    root = Node("all", "all", 0)
    for n in range(5000):
        root.add([(f"f{n % 7}", "own"), (f"g{n % 91}", "own"), (f"h{n}", "own")], 1 + n % 3)
    drawn = str(picture(root))
    assert drawn.count("<title>") <= 240
    names = re.findall(r"<title>(\w+)", drawn)
    assert len([name for name in names if name.startswith("f")]) == 7
    depths = [int(y) // 19 for y in re.findall(r' y="(\d+)" width', drawn)]
    assert all(after <= before + 1 for before, after in zip(depths, depths[1:]))


def test_an_event_with_many_stacks_is_small() -> None:
    assert len(page(scenes.deep()).encode()) < 160_000

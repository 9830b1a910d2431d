"""Functions of Python programs, of every interpreter that is here."""

from __future__ import annotations

import glob
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from oomtrace import code
from oomtrace.code import interpreted, libdw, python
from oomtrace.model import Code, CodeFrame, Moment
from oomtrace.programs import prebuilt
from tests.code.programs import SOURCES, running, stacks, work
from tests.code.stopped import MACHINE, raw_stack

PROGRAM = SOURCES / "catalog.py"
NAMES = ["Catalog.fill", "load.<locals>.<lambda>", "load", "shelves", "main", "<module>"]
_STOPS = 20  # of which one may fall between two calls of the innermost function, or into one as it begins
LINES = {"load.<locals>.<lambda>": 15, "load": 15, "shelves": 21, "main": 27, "<module>": 31}


def interpreters() -> dict[str, str]:
    """CPython 3.11 to 3.14: the system's, and pyenv's."""
    found = {}
    for folder in ("/usr/bin", *sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin")))):
        for minor in (11, 12, 13, 14):
            path = os.path.join(folder, f"python3.{minor}")
            if os.access(path, os.X_OK):
                found[f"3.{minor} in {'/usr' if folder == '/usr/bin' else 'pyenv'}"] = path
    return found


def of_program(interpreter: str, count: int, walked: bool = True, most: int = 32768) -> Code:
    """Its code. ``walked``: the interpreter's frames are read at the moment of the sample."""
    files = code.Files()
    with running([interpreter, str(PROGRAM)]) as child:
        work(child.pid, 0.2)
        process = code.look(child.pid, files)
        assert process is not None
        memory = python.Memory(child.pid)
        layout = python.layout_of(process, files, memory.read)
        assert layout is not None
        taken, frames = [], []
        for _ in range(count):
            work(child.pid, 0.013)
            raw = raw_stack(child.pid, most, lambda: frames.append(python.frames(memory, layout, child.pid)))
            raw = replace(raw, interpreter=frames[-1] if walked else None)
            taken.append(code.RawSample(child.pid, child.pid, "python3", raw, 65536))
        process = code.look(child.pid, files, process) or process
        memory.close()
    found = code.resolve(code.RawCode(MACHINE, tuple(taken), asker=taken[0], processes=(process,)), files)
    files.close()
    return found


@pytest.mark.skipif(libdw.libdw() is None, reason="there is no libdw (Debian: libdw1)")
@pytest.mark.parametrize("interpreter", interpreters().values(), ids=interpreters().keys())
def test_functions_and_lines(interpreter: str) -> None:
    found = of_program(interpreter, _STOPS)
    right = 0
    for stack in stacks(found):
        own = [frame for frame in stack if not frame.library and frame.language == "python"]
        right += [frame.name for frame in own] == NAMES
        assert {frame.name: frame.line for frame in own if frame.name in LINES}.items() <= LINES.items()
        assert all(frame.source == str(PROGRAM) for frame in own)
        assert not interpreted.is_running(stack), "an interpreter's own frame is left"
    assert right >= 0.95 * _STOPS
    assert {stack.interpreted for stack in found.stacks} == {Moment.SAME}


@pytest.mark.skipif(not interpreters(), reason="there is no CPython 3.11 to 3.14")
def test_a_copy_that_is_cut_has_all_functions_of_python() -> None:
    found = of_program(next(iter(interpreters().values())), 3, most=256)
    whole = [[frame.name for frame in stack if frame.language == "python"] == NAMES for stack in stacks(found)]
    assert sum(whole) >= 2


@pytest.mark.skipif(not interpreters(), reason="there is no CPython 3.11 to 3.14")
def test_what_was_read_at_another_moment_is_for_asker_and_victim_alone_and_says_so() -> None:
    found = of_program(next(iter(interpreters().values())), 2, walked=False)
    assert found.asker is not None and found.asker.stack is not None
    assert found.stacks[found.asker.stack].interpreted is Moment.OTHER
    names = [frame.name for frame in found.walk(found.asker.stack) if frame.language == "python"]
    assert names[-3:] == NAMES[-3:]
    assert all(frame.language is None for stack in stacks(found) for frame in stack)


def test_what_was_known_of_a_process_stays_when_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is looked at once more, as the victim of an OOM: its maps are still there, its memory is not."""
    interpreter, files = next(iter(interpreters().values())), code.Files()
    with running([interpreter, str(PROGRAM)]) as child:
        work(child.pid, 0.2)
        before = code.look(child.pid, files)
        assert before is not None and before.python_layout and before.python and before.python_threads
        before = replace(before, perf_map="1000 10 made\n")
        monkeypatch.setattr(python, "layout_of", lambda *_: None)
        assert code.look(child.pid, files, before) == before
        moved = tuple(replace(one, start=one.start - 4096) for one in before.maps)
        another = code.look(child.pid, files, replace(before, maps=moved))  # it ran another program then
        assert another == replace(before, python_layout=b"", python={}, python_threads={}, perf_map="")
    files.close()


def test_a_process_that_is_no_python() -> None:
    files = code.Files()
    with running(["sh", "-c", "echo ready; sleep 60"]) as child:
        process = code.look(child.pid, files)
        assert process is not None and process.python == {} and process.python_threads == {}
    files.close()


def test_lines_of_this_interpreter() -> None:
    if not hasattr(test_lines_of_this_interpreter.__code__, "co_positions"):
        pytest.skip("3.11 was the first with such tables")
    for function in (of_program, interpreters, code.look, code.resolve, Path.glob):
        found = function.__code__
        expected = [line for line, *_ in found.co_positions()]
        table, first = found.co_linetable, found.co_firstlineno
        assert [python.line_of(table, first, 2 * at) for at in range(len(expected))] == expected


def test_a_function_that_nobody_has_read_has_no_name() -> None:
    evaluates = CodeFrame("_PyEval_EvalFrameDefault", "/usr/bin/python3.11")
    (frame,) = interpreted.in_place((evaluates,), ((0x7F00, 0x7F10), (0, 0)), {})
    assert frame.name == "[python]+0x7f00"


def test_what_bpf_is_told_and_tells_has_the_sizes_of_its_structs() -> None:
    """bpf/python.h: struct python and struct python_code."""
    maps = {spec.name: spec for spec in prebuilt.load().maps}
    layout = python.Layout(11, *range(22), runtime=1)  # type: ignore[arg-type, misc]
    assert len(layout.packed()) == maps["pythons"].value_size
    table = b"\x80\x00\xff\xff"
    data = struct.pack("<QIIII64s96s256s", 0x7F10, 31, 4, 9, 0, b"Catalog.fill", b"/a/b/c.py", table + b"z" * 9)
    assert len(data) == maps["python_codes"].value_size
    assert python.unpacked(data) == code.PythonCode("Catalog.fill", "/a/b/c.py", 31, 0x7F10, table)


def test_of_a_long_path_bpf_has_the_end() -> None:
    data = struct.pack("<QIIII64s96s256s", 1, 1, 0, 400, 0, b"f", b"x" * 90 + b"/a.py", b"")
    found = python.unpacked(data)
    assert found is not None and found.file == "…" + "x" * 90 + "/a.py"
    assert python.unpacked(data[:8]) is None and python.unpacked(bytes(440)) is None


def test_what_bpf_reads_of_a_frame_means_the_same_as_a_walk() -> None:
    entered = python.Layout(12, *range(22), runtime=1)  # type: ignore[arg-type, misc]
    marked = replace(entered, frame_owner=69, frame_entry=68, entry_owner=256)
    plain = replace(entered, frame_owner=70, frame_entry=None, entry_owner=3, code_mask=~3 & (1 << 64) - 1)
    running = ((0x11, 0x20, 0, 0), (0x30, 0x40, 3, 1))
    assert python.meant(marked.packed(), running) == ((0x11, 0x20), (0x30, 0x40), (0, 0))
    assert python.meant(plain.packed(), running) == ((0x10, 0x20), (0, 0))

"""Puts the functions of an interpreted program in place of the interpreter's own frames.

One frame of _PyEval_EvalFrameDefault runs several functions of Python: those from one entry from C to the next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from oomtrace.model import CodeFrame

from . import python
from .raw import PythonCode

_Running = Sequence[tuple[int, int]]
# .cold: what the compiler thinks is rare. _TAIL_CALL_: 3.14, where each instruction is a function.
_EVALUATES = re.compile(r"_PyEval_EvalFrameDefault(?:\.\w+)*$|_TAIL_CALL_\w+$")


def is_running(frames: Sequence[CodeFrame]) -> bool:
    """Is the interpreter among these frames?"""
    return any(_evaluates(frame) for frame in frames)


def in_place(frames: Sequence[CodeFrame], running: _Running, codes: Mapping[str, PythonCode]) -> tuple[CodeFrame, ...]:
    """The stack with the functions of Python, innermost first. What the machine's part of the stack does not reach, as
    it was cut, is at the end."""
    entries = _entries(running, codes)
    found: list[CodeFrame] = []
    for frame in frames:
        if not _evaluates(frame):
            found.append(frame)
        elif entries:
            found += entries.pop(0)
        else:
            found.append(frame)
    for entry in entries:
        found += entry
    return tuple(found)


def _evaluates(frame: CodeFrame) -> bool:
    return frame.function is not None and _EVALUATES.match(frame.function) is not None


def _entries(running: _Running, codes: Mapping[str, PythonCode]) -> list[list[CodeFrame]]:
    entries: list[list[CodeFrame]] = [[]]
    for code, instruction in running:
        if code == 0:
            entries.append([])
        else:
            entries[-1].append(_frame(codes, code, instruction))
    return entries if entries[-1] else entries[:-1]


def _frame(codes: Mapping[str, PythonCode], address: int, instruction: int) -> CodeFrame:
    code = codes.get(f"{address:#x}")
    if code is None:  # nobody has read its name while the process lived
        return CodeFrame(None, "[python]", address, language="python")
    line = python.line_of(code.line_table, code.first_line, instruction - code.first_instruction)
    return CodeFrame(code.name, None, None, code.file, line, "python")

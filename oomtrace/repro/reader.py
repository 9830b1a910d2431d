"""YAML nodes → typed values, each error with the line and column of what is wrong.

Nothing is constructed from tags: the nodes are composed by the safe loader and their scalars are read here.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Callable, Optional, TypeVar

import yaml

from oomtrace import sizes
from oomtrace.errors import EXIT_USAGE, OomtraceError

Value = TypeVar("Value")

DEPTH = 50  # of lists and mappings in each other
_COMM_BYTES = 15
_SHOWN = 60  # characters of a wrong value
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # YAML's
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_TYPES = {yaml.ScalarNode: "a single value", yaml.SequenceNode: "a list", yaml.MappingNode: "a mapping"}


@dataclass(frozen=True)
class Problem:
    """Something wrong in a file, at a line and column counted from 1."""

    line: int
    column: int
    message: str


class Invalid(OomtraceError):
    """A file with problems, in the order of the file."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.line, problem.column))
        super().__init__("\n".join(f"{file}:{p.line}:{p.column}: {p.message}" for p in self.problems), None, EXIT_USAGE)


class Wrong(Exception):
    """A value that a converter does not take; the text says what it wants."""


class _Loader(yaml.SafeLoader):
    """Composes what can be dealt with: it would recurse without end, and take text that no file system or process name
    can have."""

    _depth = 0

    def compose_node(self, parent: Optional[yaml.Node], index: Any) -> Optional[yaml.Node]:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self._depth == DEPTH:
            raise yaml.MarkedYAMLError(None, None, f"nested more than {DEPTH} deep", mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(node, yaml.ScalarNode) and re.search("[\0\ud800-\udfff]", node.value):
            raise yaml.MarkedYAMLError(None, None, "neither \\0 nor half a surrogate pair can be in text", mark)
        return node


def decode(data: bytes, file: str) -> str:
    """The text of a file. Raises Invalid at the first byte that is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        at = _end_of(data[:error.start].decode("utf-8"))
        raise Invalid(file, [Problem(*at, f"not UTF-8: byte 0x{data[error.start]:02x}")]) from error


def compose(text: str, file: str) -> yaml.Node:
    """The root node of a YAML document. Raises Invalid where it is no YAML."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise Invalid(file, [Problem(*where, error.problem or "this is not YAML")]) from error
    except yaml.reader.ReaderError as error:
        what = f"character U+{ord(text[error.position]):04X} cannot be in YAML"
        raise Invalid(file, [Problem(*_end_of(text[:error.position]), what)]) from error
    if node is None:
        raise Invalid(file, [Problem(1, 1, "the file is empty")])
    return node


def _end_of(text: str) -> tuple[int, int]:
    """Line and column of what would follow."""
    lines = _LINE_BREAK.split(text)
    return len(lines), len(lines[-1]) + 1


class NodeReader:
    """Reads nodes, collects what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def wrong(self, node: yaml.Node, message: str) -> None:
        """Note a problem at the node."""
        self.problems.append(Problem(node.start_mark.line + 1, node.start_mark.column + 1, message))

    def is_a(self, node: yaml.Node, kind: type, what: str) -> bool:
        """Whether the node is of a kind; a problem if not."""
        if isinstance(node, kind):
            return True
        self.wrong(node, f"{what}: expected {_TYPES[kind]}, not {_TYPES[type(node)]}")
        return False

    def items(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """The items of a list."""
        return list(node.value) if self.is_a(node, yaml.SequenceNode, what) else []

    def pairs(self, node: yaml.Node, what: str) -> list[tuple[yaml.Node, str, yaml.Node]]:
        """Key node, key and value node of each entry of a mapping, in order; a key given twice is a problem."""
        found: list[tuple[yaml.Node, str, yaml.Node]] = []
        if not self.is_a(node, yaml.MappingNode, what):
            return found
        seen = set()
        for key, value in node.value:
            if not self.is_a(key, yaml.ScalarNode, f"{what}: key"):
                continue
            if key.value in seen:
                self.wrong(key, f"{what}: {key.value} is given twice")
            seen.add(key.value)
            found.append((key, key.value, value))
        return found

    def fields(
        self, node: yaml.Node, what: str, known: tuple[str, ...], needed: tuple[str, ...] = ()
    ) -> dict[str, yaml.Node]:
        """A mapping with known keys; the ``needed`` ones must be there."""
        found = {}
        for key, name, value in self.pairs(node, what):
            if name in known:
                found[name] = value
            else:
                self.wrong(key, f"{what}: there is no {name}; known are {', '.join(known)}")
        if isinstance(node, yaml.MappingNode):
            for name in needed:
                if name not in found:
                    self.wrong(node, f"{what}: {name} is missing")
        return found

    def value(self, node: Optional[yaml.Node], what: str, convert: Callable[[str], Value], default: Value) -> Value:
        """A scalar, converted; the default if it is absent or wrong."""
        if node is None or not self.is_a(node, yaml.ScalarNode, what):
            return default
        try:
            return convert(node.value)
        except Wrong as error:
            self.wrong(node, f"{what}: {error}, not {shown(node.value)}")
            return default


def shown(value: str) -> str:
    """A value in quotes, its beginning if it is long."""
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")


def text(value: str) -> str:
    """Any text but none."""
    if not value:
        raise Wrong("expected some text")
    return value


def comm(value: str) -> str:
    """The name of a process, as long as the kernel keeps it."""
    if not 0 < len(os.fsencode(value)) <= _COMM_BYTES:
        raise Wrong(f"expected a process name of 1 to {_COMM_BYTES} bytes")
    return value


def truth(value: str) -> bool:
    """true or false."""
    if value.lower() not in _TRUTH:
        raise Wrong("expected true or false")
    return _TRUTH[value.lower()]


def size(value: str) -> int:
    """A size in bytes: ``64M``."""
    try:
        return sizes.parse(value)
    except ValueError as error:
        raise Wrong(str(error)) from error


def seconds(value: str) -> float:
    """A time in seconds: ``0.5`` or ``500ms``."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?)\s*(ms|s|)", value)  # select(2) takes no more for long
    if match is None:
        raise Wrong("expected a time such as 0.5 or 500ms")
    return float(match[1]) * (0.001 if match[2] == "ms" else 1)


def number(low: int, high: int) -> Callable[[str], int]:
    """A converter to integers of a range."""

    def convert(value: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,19}", value) or not low <= int(value) <= high:
            raise Wrong(f"expected a number from {low} to {high}")
        return int(value)

    return convert

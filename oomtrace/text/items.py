"""A report as the rows of formats see it: items to repeat a line for, and values by path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any, Callable, NamedTuple, Optional

from oomtrace.formats import FILLED, PART, PRESENT, Row
from oomtrace.model import Report, Stack


class Stat(NamedTuple):
    """One line of the statistics list."""

    name: str
    value: int


def _stack_flow(stack: Stack) -> Iterator[Any]:
    """Frames, markers and registers in printed order."""
    at = stack.registers_at
    if at is None:
        at = len(stack.entries)
        while at and isinstance(stack.entries[at - 1], str) and str(stack.entries[at - 1]).startswith("</"):
            at -= 1
    inner = list(stack.inner)
    for number, entry in enumerate(stack.entries + (None,)):
        while inner and inner[0][0] <= number:
            yield inner.pop(0)[1]
        if number == at and stack.registers is not None:
            yield stack.registers
        if entry is not None:
            yield entry


def _stats_flow(report: Report) -> Iterator[Any]:
    for stats in report.memcg.stats if report.memcg else ():
        yield stats
        if stats.unit == "bytes":
            for name, value in stats.values.items():
                yield Stat(name, value)


def _per_cpu_flow(report: Report) -> Iterator[Any]:
    for lists in report.meminfo.per_cpu if report.meminfo else ():
        yield lists
        yield from lists.rows


# Scopes that are no path to a tuple of the report.
_SCOPES: dict[str, Callable[[Report], Any]] = {
    "": lambda report: (report,),
    "stack.flow": lambda report: _stack_flow(report.stack) if report.stack else (),
    "memcg.stats_flow": _stats_flow,
    "meminfo.per_cpu_flow": _per_cpu_flow,
}


class Items:
    """The items of a report by scope; each scope is made once."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._made: dict[str, Sequence[Any]] = {}
        self._alike: dict[str, bool] = {}

    def __call__(self, scope: str) -> Sequence[Any]:
        if scope not in self._made:
            made = _SCOPES.get(scope)
            self._made[scope] = tuple(made(self._report) if made else value(self._report, steps(scope)) or ())
        return self._made[scope]

    def one_class(self, scope: str) -> bool:
        """Are the items of a scope all of one class?"""
        if scope not in self._alike:
            self._alike[scope] = len(set(map(type, self(scope)))) == 1
        return self._alike[scope]


def value(item: Any, path: tuple[str, ...]) -> Any:
    """The value at ``path``, None if anything on the way is unknown. No path: the item itself, if it is text."""
    if not path:
        return item if isinstance(item, str) else None
    for name in path:
        if isinstance(item, dict):
            item = item.get(name)
        elif item is None:
            return None
        else:
            item = getattr(item, name, None)
    return item


_PATHS: dict[str, tuple[str, ...]] = {".": ()}


def steps(path: str) -> tuple[str, ...]:
    """``"a.b"`` → ``("a", "b")``; ``"."`` is the item itself."""
    found = _PATHS.get(path)
    if found is None:
        found = _PATHS[path] = tuple(path.split("."))
    return found


def values(item: Any, paths: tuple[str, ...]) -> Sequence[Any]:
    """The values at ``paths``."""
    get = getter(item, paths)
    found: Sequence[Any] = get(item) if get is not None else [value(item, steps(path)) for path in paths]
    return found


def getter(item: Any, paths: tuple[str, ...]) -> Optional[_Getter]:
    """What gets the values at ``paths`` of such an item in one go; None if they are not all its own."""
    key = (type(item), paths)
    if key not in _GETTERS:
        _GETTERS[key] = _getter(type(item), paths)
    return _GETTERS[key]


_Getter = Callable[[Any], tuple[Any, ...]]
_GETTERS: dict[tuple[type, tuple[str, ...]], Optional[_Getter]] = {}


def _getter(kind: Any, paths: tuple[str, ...]) -> Optional[_Getter]:
    """The fast way, for the many items that have all of the values themselves."""
    if kind is str and paths == (".",):
        return lambda item: (item,)
    names = {field.name for field in fields(kind)} if is_dataclass(kind) else set(getattr(kind, "_fields", ()))
    if not paths or not names >= set(paths):
        return None
    get = attrgetter(*paths)
    return get if len(paths) > 1 else lambda item: (get(item),)


def may_print(item: type, row: Row) -> bool:
    """Whether the row can print an item of this class: not if all of its values are of another."""
    paths = row.fields
    if not paths or any(hole.none is not None for hole in row.format.holes):
        return True
    if item is str:
        return "." in paths
    if not is_dataclass(item):
        return True
    names = {field.name for field in fields(item)}
    heads = [path.partition(".")[0] for path in paths]
    return any(head in names or hasattr(item, head) for head in heads)


def holds(item: Any, sets: Mapping[str, Any]) -> bool:
    """Is what a row shows by being there true of the item?"""
    for path, wanted in sets.items():
        found = value(item, steps(path))
        if wanted is PRESENT or wanted is PART:
            if found is None:
                return False
        elif wanted is FILLED:
            if not found:
                return False
        elif found != wanted:
            return False
    return True

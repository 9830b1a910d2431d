"""An event in the making: the values that rows read, until there are enough to build the frozen model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import (
    Any,
    Callable,
    Optional,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from oomtrace import model
from oomtrace.formats import FILLED, KINDS, PART, PRESENT, Into, Row

Item = dict[str, Any]


class Conflict(Exception):
    """The line says something else than a line before it: it is not of this report, or damaged."""


class Draft:
    """Values of the event by path, and the items of each scope in the order in which the log has them."""

    def __init__(self) -> None:
        self.values: Item = {}
        self.items: dict[str, list[Any]] = {}  # values by name, or what is made of them already
        self._asked: tuple[Optional[Sequence[Any]], Item] = (None, {})  # what agrees() was asked last

    def take(self, row: Row, found: Sequence[Any]) -> Optional[int]:
        """Adds what ``row`` read, and returns the index of the item that it belongs to."""
        kind = KINDS[row.kind]
        new = self._asked[1] if found is self._asked[0] else _new(row, found)
        if not kind.scope:
            _check(row, self.values, new)
            self.values.update(new)
            return None
        items = self.items.setdefault(kind.scope, [])
        index = _place(items, kind.into, new)
        item = items[index] if index < len(items) else {"row": row.kind}
        _check(row, item, new)
        item.update(new)
        if index == len(items):
            items.append(item)
        return index

    def count(self, scope: str) -> int:
        """How many items of a scope there are."""
        return len(self.items.get(scope, ()))

    def add(self, scope: str, items: Sequence[Any]) -> None:
        """Adds items that are made already."""
        self.items.setdefault(scope, []).extend(items)

    def agrees(self, row: Row, found: Sequence[Any]) -> bool:
        """Could ``take`` add it?"""
        kind = KINDS[row.kind]
        if kind.scope and not kind.required and kind.into is Into.NEW:
            return True
        new = _new(row, found)
        self._asked = found, new
        try:
            if not kind.scope:
                _check(row, self.values, new)
            else:
                items = self.items.get(kind.scope, [])
                index = _place(items, kind.into, new)
                _check(row, items[index] if index < len(items) else {}, new)
        except Conflict:
            return False
        return True


def _new(row: Row, found: Sequence[Any]) -> Item:
    new = {path: value for path, value in zip(row.fields, found) if value is not None}
    for path, value in row.sets.items():
        if value is PART:
            new.setdefault(path, {})
        elif value not in (PRESENT, FILLED):  # those are values, which may be cut off
            new[path] = value
    return new


def _check(row: Row, item: Item, new: Item) -> None:
    """A line must not contradict those before it, and must say what it is about."""
    for path in KINDS[row.kind].required:
        if path not in new and path not in item:
            raise Conflict(path)
    if item:
        for path, value in new.items():
            if path in item and item[path] != value and not _shifted(path, item[path], value):
                raise Conflict(path)


def _shifted(path: str, before: Any, now: Any) -> bool:
    """Is it a name that begins its line, and the log put a blank there?"""
    return path == "trigger.comm" and str(before).lstrip() == str(now).lstrip()


# Where a line's values go: the index of an item that is there, or the number of items for a new one.


def _place(items: list[Item], into: Into, new: Item) -> int:
    if into is Into.LAST:
        return len(items) - 1 if items and not new.keys() & items[-1].keys() else len(items)
    if into is Into.NAMED:
        return next((number for number, item in enumerate(items) if _names(item, new)), len(items))
    if into is Into.BLOCK and items and KINDS[items[-1]["row"]].in_block and not new.keys() & items[-1].keys():
        return len(items) - 1
    return len(items)


def _names(item: Item, new: Item) -> bool:
    """Is it the item of the name, and does it have nothing else of the line yet?"""
    same = item.get("name") == new.get("name") and item.get("node") == new.get("node")
    return same and not (new.keys() - {"name", "node"}) & item.keys()


# Building.


def _tree(values: Item) -> Item:
    """Values by path → nested by name."""
    tree: Item = {}
    for path, value in values.items():
        _put(tree, path, value)
    return tree


def _put(tree: Item, path: str, value: Any) -> None:
    *way, name = path.split(".") if path != "." else [path]
    for step in way:
        tree = tree.setdefault(step, {})
    if value != {} or not isinstance(tree.get(name), dict):
        tree[name] = value


@cache
def _shape(cls: Any) -> tuple[dict[str, Any], frozenset[str], frozenset[str]]:
    """Of a class of the model: fields that are another of its classes, those that are tuples, those that must be given
    though they may be None."""
    hints = {name: _known(hint) for name, hint in get_type_hints(cls).items()}
    needed = frozenset(each.name for each in fields(cls) if each.default is each.default_factory is MISSING)
    return (
        {name: hint for name, (hint, _) in hints.items() if is_dataclass(hint)},
        frozenset(name for name, (hint, _) in hints.items() if get_origin(hint) is tuple),
        frozenset(name for name, (_, optional) in hints.items() if optional) & needed,
    )


def _known(hint: Any) -> tuple[Any, bool]:
    """``Optional[X]`` → X, and whether it was one."""
    options = [each for each in get_args(hint) if each is not type(None)] if get_origin(hint) is Union else []
    return (options[0], True) if len(options) == 1 else (hint, False)


def _made(cls: Callable[..., Any], tree: Item) -> Any:
    """An object of the model, of values by name; those in it are made of the values below their name."""
    nested, tuples, unknown = _shape(cls)
    values = dict.fromkeys(unknown, None)
    for name, value in tree.items():
        if isinstance(value, dict):
            value = _made(nested[name], value) if name in nested else () if name in tuples else value
        values[name] = value
    return cls(**values)


@cache
def class_of(scope: str) -> Any:
    """The class of the items of a scope that is a path to a tuple of the report."""
    at: Any = model.Report
    for name in scope.split("."):
        at = _known(get_type_hints(at)[name])[0]
    return get_args(at)[0]


def _clean(item: Item) -> Item:
    values = dict(item)
    del values["row"]
    return _tree(values) if "." in "".join(values) else values


def _stack(words: Sequence[Item], flow: Sequence[Item]) -> model.Stack:
    entries: list[Any] = []
    blocks: list[tuple[int, model.Registers]] = []
    for item in flow:
        clean = _clean(item)
        if KINDS[item["row"]].in_block:
            blocks.append((len(entries), model.Registers(**clean)))
        elif "." in clean:  # the text itself: a marker
            entries.append(clean["."])
        else:
            entries.append(_made(model.Frame, clean))
    last = blocks.pop() if blocks else (None, None)
    return model.Stack(
        entries=tuple(entries), registers=last[1], registers_at=last[0], inner=tuple(blocks),
        raw_words=tuple(item["."] for item in words),
    )


def _stats(flow: Sequence[Item]) -> tuple[model.MemcgStats, ...]:
    stats: list[Item] = []
    for item in flow:
        if "name" in item:  # a line of the list
            if not stats or stats[-1]["unit"] != "bytes":
                stats.append({"path": None, "unit": "bytes", "values": {}})
            stats[-1]["values"][item["name"]] = item["value"]
        else:
            stats.append({"path": item["path"], "unit": item["unit"], "values": dict(item.get("values", {}))})
    return tuple(model.MemcgStats(**item) for item in stats)


def _per_cpu(flow: Sequence[Item]) -> tuple[model.PerCpuLists, ...]:
    lists: list[Item] = []
    for item in flow:
        clean = _clean(item)
        if "name" in clean:
            lists.append({**clean, "rows": ()})
        elif lists:
            lists[-1]["rows"] += (model.PerCpuRow(**clean),)
    return tuple(_made(model.PerCpuLists, item) for item in lists)


def build(draft: Draft) -> model.Report:
    """The report of what was read."""
    tree = _tree(draft.values)
    items = {scope: found for scope, found in draft.items.items() if found}
    words, frames = items.pop("stack.raw_words", []), items.pop("stack.flow", [])
    if "stack" in tree or words or frames:
        tree["stack"] = _stack(words, frames)
    if "memcg.stats_flow" in items:
        _put(tree, "memcg.stats", _stats(items.pop("memcg.stats_flow")))
    if "meminfo.per_cpu_flow" in items:
        _put(tree, "meminfo.per_cpu", _per_cpu(items.pop("meminfo.per_cpu_flow")))
    for scope, found in items.items():
        make = class_of(scope)
        _put(tree, scope, tuple(_made(make, _clean(item)) if type(item) is dict else item for item in found))
    report: model.Report = _made(model.Report, tree)
    return report

"""An event in the making: the values that rows read, until there are enough to build the frozen model."""

from __future__ import annotations

from typing import Any, Callable, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from oomtrace import model
from oomtrace.formats import FILLED, KINDS, PRESENT, Row

Item = Dict[str, Any]


class Conflict(Exception):
    """The line says something else than a line before it: it is not of this report, or damaged."""


class Draft:
    """Values of the event by path, and the items of each scope in the order in which the log has them."""

    def __init__(self) -> None:
        self.values: Item = {}
        self.items: Dict[str, List[Item]] = {}
        self._asked: Tuple[Optional[Sequence[Any]], Item] = (None, {})  # what agrees() was asked last

    def take(self, row: Row, found: Sequence[Any]) -> Optional[int]:
        """Adds what ``row`` read, and returns the index of the item that it belongs to."""
        scope = KINDS[row.kind].scope
        new = self._asked[1] if found is self._asked[0] else _new(row, found)
        if not scope:
            _check(row, self.values, new)
            self.values.update(new)
            return None
        items = self.items.setdefault(scope, [])
        index = _PLACES.get(row.kind, _append)(items, row.kind, new)
        item = items[index] if index < len(items) else {"row": row.kind}
        _check(row, item, new)
        item.update(new)
        if index == len(items):
            items.append(item)
        return index

    def agrees(self, row: Row, found: Sequence[Any]) -> bool:
        """Could ``take`` add it?"""
        if KINDS[row.kind].scope and row.kind not in _REQUIRED and row.kind not in _PLACES:
            return True
        new = _new(row, found)
        self._asked = found, new
        try:
            if not KINDS[row.kind].scope:
                _check(row, self.values, new)
            else:
                items = self.items.get(KINDS[row.kind].scope, [])
                index = _PLACES.get(row.kind, _append)(items, row.kind, new)
                _check(row, items[index] if index < len(items) else {}, new)
        except Conflict:
            return False
        return True


_PARTS = frozenset(["stack", "meminfo", "meminfo.allocations", "tasks"])  # of which a line shows that they are there


def _new(row: Row, found: Sequence[Any]) -> Item:
    new = {path: value for path, value in zip(row.fields, found) if value is not None}
    for path, value in row.sets.items():
        if value is PRESENT:
            if path in _PARTS:  # others are values, which may be cut off
                new.setdefault(path, {})
        elif value is not FILLED:
            new[path] = value
    return new


def _check(row: Row, item: Item, new: Item) -> None:
    """A line must not contradict those before it, and must say what it is about."""
    for path in _REQUIRED.get(row.kind, ()):
        if path not in new and path not in item:
            raise Conflict(path)
    if item:
        for path, value in new.items():
            if path in item and item[path] != value and not _shifted(path, item[path], value):
                raise Conflict(path)


def _shifted(path: str, before: Any, now: Any) -> bool:
    """Is it a name that begins its line, and the log put a blank there?"""
    return path == "trigger.comm" and str(before).lstrip() == str(now).lstrip()


# Without these a line says nothing of which it could be told what it is about: its beginning is cut.
_REQUIRED: Mapping[str, FrozenSet[str]] = {
    "task": frozenset(["pid", "comm"]),
    "killed": frozenset(["pid", "comm"]),
    "sharing": frozenset(["pid", "comm"]),
    "reaped": frozenset(["pid", "comm"]),
    "unreaped": frozenset(["pid", "comm"]),
    "node": frozenset(["node"]),
    "zone": frozenset(["name"]),
    "lowmem_reserve": frozenset(["name"]),
    "buddy": frozenset(["name"]),
    "hugepages": frozenset(["total", "free", "surp", "size_kb"]),
    "slab": frozenset(["name", "used_kb", "total_kb"]),
    "allocation": frozenset(["size", "calls", "file", "line", "function"]),
    "per_cpu": frozenset(["name"]),
    "per_cpu_row": frozenset(["cpu", "hi", "btch", "usd"]),
    "stats_line": frozenset(["path", "values"]),
    "stats_head": frozenset(["path"]),
    "stat": frozenset(["name", "value"]),
    "stat_line": frozenset(["name", "value"]),
    "verdict": frozenset(["verdict.message", "verdict.pid", "verdict.comm", "verdict.score"]),
    "exiting": frozenset(["exiting.pid", "exiting.comm"]),
}


# Where a line's values go: the index of an item that is there, or the number of items for a new one.


def _append(items: List[Item], kind: str, new: Item) -> int:
    return len(items)


def _to_last_zone(items: List[Item], kind: str, new: Item) -> int:
    """lowmem_reserve[] follows its zone."""
    return len(items) - 1 if items and "lowmem_reserve_pages" not in items[-1] else len(items)


def _to_named_zone(items: List[Item], kind: str, new: Item) -> int:
    """The buddy lists come after all zones."""
    same = [number for number, item in enumerate(items)
            if item.get("name") == new["name"] and item.get("node") == new.get("node") and "buddy" not in item]
    return same[0] if same else len(items)


def _to_registers(items: List[Item], kind: str, new: Item) -> int:
    """The lines of one register block follow one another."""
    last = items[-1] if items else {}
    if last.get("row") in _REGISTER_ROWS and not any(path in last for path in new):
        return len(items) - 1
    return len(items)


_GENERAL = [name for name in KINDS if name.startswith("general_")]
_REGISTER_ROWS = frozenset(["rip", "rip_kernel", "eip", "code", "rsp", "segments"] + _GENERAL)
_PLACES: Mapping[str, Callable[[List[Item], str, Item], int]] = {
    "lowmem_reserve": _to_last_zone,
    "buddy": _to_named_zone,
    **{name: _to_registers for name in _REGISTER_ROWS if not name.startswith(("rip", "eip"))},
}


# Building.


def _tree(values: Item) -> Item:
    """Values by path → nested by name."""
    tree: Item = {}
    for path, value in values.items():
        *way, name = path.split(".") if path != "." else [path]
        at = tree
        for step in way:
            at = at.setdefault(step, {})
        if value == {} and isinstance(at.get(name), dict):
            continue
        at[name] = value
    return tree


def _clean(item: Item) -> Item:
    values = dict(item)
    del values["row"]
    return _tree(values) if "." in "".join(values) else values


def _made(make: Callable[..., Any], items: Sequence[Item]) -> Tuple[Any, ...]:
    return tuple(make(**_clean(item)) for item in items)


def _stack(present: bool, words: Sequence[Item], flow: Sequence[Item]) -> Optional[model.Stack]:
    if not (present or words or flow):
        return None
    entries: List[Any] = []
    blocks: List[Tuple[int, model.Registers]] = []
    for item in flow:
        clean = _clean(item)
        if item["row"] in _REGISTER_ROWS:
            blocks.append((len(entries), model.Registers(**clean)))
        elif item["row"] == "marker":
            entries.append(clean["."])
        else:
            entries.append(model.Frame(**{"symbol": None, **clean}))
    last = blocks.pop() if blocks else (None, None)
    return model.Stack(
        entries=tuple(entries), registers=last[1], registers_at=last[0], inner=tuple(blocks),
        raw_words=tuple(item["."] for item in words),
    )


def _memcg(values: Optional[Item], flow: Sequence[Item]) -> Optional[model.Memcg]:
    if values is None and not flow:
        return None
    values = dict(values or {})
    for name in ("memory", "swap", "memsw", "kmem"):
        if name in values:
            values[name] = model.PageCounter(**values[name])
    stats: List[Item] = []
    for item in flow:
        if item["row"] in ("stat", "stat_line"):
            if not stats or stats[-1]["unit"] != "bytes":
                stats.append({"path": None, "unit": "bytes", "values": {}})
            stats[-1]["values"][item["name"]] = item["value"]
        else:
            stats.append({"path": item["path"], "unit": item["unit"], "values": dict(item.get("values", {}))})
    values["stats"] = tuple(model.MemcgStats(**item) for item in stats)
    return model.Memcg(**values)


def _meminfo(values: Optional[Item], items: Mapping[str, List[Item]]) -> Optional[model.MemInfo]:
    parts = {scope.split(".")[1]: found for scope, found in items.items() if scope.startswith("meminfo.") and found}
    if values is None and not parts:
        return None
    values = dict(values or {})
    if "allocations" in values or "allocations" in parts:
        values["allocations"] = _made(model.Allocation, parts.get("allocations", ()))
    lists: List[Item] = []
    for item in parts.get("per_cpu_flow", ()):
        clean = _clean(item)
        if item["row"] == "per_cpu":
            lists.append({"node": None, **clean, "rows": ()})
        elif lists:
            lists[-1]["rows"] += (model.PerCpuRow(**clean),)
    zones = ({"node": None, **_clean(item)} for item in parts.get("zones", ()))
    return model.MemInfo(
        nodes=_made(model.Node, parts.get("nodes", ())),
        zones=tuple(model.Zone(**zone) for zone in zones),
        hugepages=tuple(model.HugePages(**{"node": None, **_clean(item)}) for item in parts.get("hugepages", ())),
        per_cpu=tuple(model.PerCpuLists(**item) for item in lists),
        **values,
    )


def build(draft: Draft) -> model.Report:
    """The report of what was read."""
    tree = _tree(draft.values)
    items = draft.items
    tree.update(
        machine=model.Machine(**tree.get("machine", {})),
        trigger=model.Trigger(**tree.get("trigger", {})),
        stack=_stack("stack" in tree, items.get("stack.raw_words", ()), items.get("stack.flow", ())),
        memcg=_memcg(tree.get("memcg"), items.get("memcg.stats_flow", ())),
        meminfo=_meminfo(tree.get("meminfo"), items),
        slab=_made(model.SlabCache, items.get("slab", ())),
        kills=_made(model.Kill, items.get("kills", ())),
        sharing=_made(model.Sharing, items.get("sharing", ())),
        reaps=_made(model.Reap, items.get("reaps", ())),
        tasks=_made(model.Task, items.get("tasks", ())) if "tasks" in tree or "tasks" in items else None,
    )
    for name, make in (("summary", model.Summary), ("verdict", model.Verdict), ("exiting", model.Exiting)):
        if name in tree:
            tree[name] = make(**tree[name])
    return model.Report(**tree)

"""An event and its findings as plain data, and the JSON Schema of that: both are made from the dataclasses.

What is absent is null; numbers are numbers. Bytes that are no UTF-8, which no JSON string can hold, stand as ``\\x80``.
"""

from __future__ import annotations

import collections.abc
import inspect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from itertools import chain, compress
from json.encoder import encode_basestring_ascii
from typing import (
    Any,
    Optional,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from oomtrace import why
from oomtrace.model import OomEvent, Origin, Stack, Zone

SCHEMA = "oomtrace/2"

# How a log had its lines is the reader's business: row names are not stable. Lines that no row reads are in "unread".
_LEFT_OUT = {(Origin, "lines")}
# Names for the members of tuples that the model keeps short.
MEMBERS: Mapping[tuple[type, str], tuple[str, ...]] = {
    (Zone, "buddy"): ("free_blocks", "size_kb", "types"),
    (Stack, "inner"): ("entries_before", "registers"),
    (why.Group, "victims"): ("comm", "kills"),
}
# What has changed since oomtrace/1, by the name of the definition. read_json.py reads both.
_SINCE_1: Mapping[str, str] = {
    "OomEvent": "oomtrace/1 had the fields of report, trace and origin here, side by side.",
    "Report": "In oomtrace/1 these fields lay in the event itself.",
    "Trace": "In oomtrace/1 these fields lay in the event itself, and levels in its memcg.",
    "Origin": (
        "In oomtrace/1 source and missing lay in the event itself; host, machine_id and boot_id were not there. "
        "missing said memcg usage, memcg statistics, memory state and the kill of traces, where it now says as of logs "
        "memory cgroup usage, memory cgroup statistics, Mem-Info and Killed process line."
    ),
    "Memcg": "In oomtrace/1 it had the levels, too, which are the trace's now.",
}


def entry(event: OomEvent, explanation: why.Explanation) -> dict[str, Any]:
    """One event: what is in ``events`` of a document, and a line of jsonl."""
    return {"event": plain(event), "unread": _unread(event), "explanation": plain(explanation)}


def line(event: OomEvent, explanation: why.Explanation) -> str:
    """The same as a line of jsonl."""
    parts = ['{"schema":', _dumped(SCHEMA), ',"event":', *_pieces(event), ',"unread":', _dumped(_unread(event)),
             ',"explanation":', *_pieces(explanation), "}"]
    return "".join(parts)


def _unread(event: OomEvent) -> list[dict[str, Any]]:
    lines = [line for line in event.origin.lines if line.row is None]
    return [{"number": line.number, "text": _text(line.text or "")} for line in lines]


def plain(value: Any) -> Any:
    """Dataclasses, tuples and mappings as dicts and lists."""
    kind: Any = type(value)
    if kind in _PLAIN_ALREADY:
        return value
    if kind is str:
        return _text(value)
    if isinstance(value, Enum):
        return value.value
    if kind is tuple:
        return [plain(item) for item in value]
    if _is_object(kind):
        return _of_dataclass(value)
    if isinstance(value, collections.abc.Mapping):
        return {_text(name): plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def _of_dataclass(value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    words = _words(kind)
    if words is not None:  # a table of 10,000 tasks has 100,000 numbers, which are plain already
        found = dict(vars(value))
        for name in words:
            word = found[name]
            if word is not None and not (type(word) is str and word.isascii()):
                found[name] = plain(word)
        return found
    found = {}
    for name, names in _names(kind):
        item = getattr(value, name)
        found[name] = plain(item) if names is None else _named(names, item)
    return found


def compact(value: Any) -> str:
    """JSON of what ``plain`` makes of a value, without blanks.

    The same text as json.dumps gives, but tables are put into templates: most of an event are such.
    """
    return "".join(_pieces(value))


def _pieces(value: Any) -> Iterator[str]:
    """The JSON in pieces, since a text of some hundred kB takes long to copy."""
    kind: Any = type(value)
    first: Any = type(value[0]) if kind is tuple and value else None
    if kind is tuple and _is_object(first):
        kinds: set[Any] = set(map(type, value))
        rows = len(kinds) == 1 and _words(*kinds) is not None
        before = "["
        for row in _rows(value) if rows else value:
            yield before
            yield from (row,) if rows else _pieces(row)
            before = ","
        yield "]"
    elif not _is_object(kind):
        yield _dumped(plain(value))
    elif _words(kind) is not None:
        yield _row(value)
    else:
        before = "{"
        for name, names in _names(kind):
            item = getattr(value, name)
            yield f'{before}"{name}":'
            yield from _pieces(item) if names is None else (_dumped(_named(names, item)),)
            before = ","
        yield "}"


@cache
def _is_object(kind: type) -> bool:
    return is_dataclass(kind)


_ENCODER = json.JSONEncoder(separators=(",", ":"))
_CONSTANTS: Mapping[Any, str] = {None: "null", True: "true", False: "false"}


def _dumped(value: Any) -> str:
    """JSON of what is plain. Most of it is words and numbers, for which the encoder makes more ado than they need."""
    kind = type(value)
    if kind is str:
        return encode_basestring_ascii(value)
    if kind is int:
        return str(value)
    return _CONSTANTS[value] if kind in _PLAIN_ALREADY and kind is not float else _ENCODER.encode(value)


def _row(value: Any) -> str:
    """JSON of an object that has numbers and text alone."""
    kind: Any = type(value)
    values = vars(value).values()
    template, known, words = _template(kind, *map(type, values))
    values = list(compress(values, known))
    for at in words:
        values[at] = _dumped(plain(values[at]))
    return template % tuple(values)


@cache
def _template(owner: Any, *kinds: Any) -> tuple[str, tuple[bool, ...], tuple[int, ...]]:
    """The JSON of an object whose fields have values of these types; which of them are not None; which of those are no
    numbers."""
    known = tuple(kind is not type(None) for kind in kinds)
    parts = [f'"{name}":' + ("%s" if there else "null") for (name, _), there in zip(_fields(owner), known)]
    words = tuple(at for at, kind in enumerate(compress(kinds, known)) if kind is not int)
    return "{" + ",".join(parts) + "}", known, words


def _rows(rows: tuple[Any, ...]) -> Iterable[str]:
    """The same of many objects of one kind, a column at a time: tables are long."""
    parts: list[str] = []
    columns: list[Sequence[Any]] = []
    kind: Any = type(rows[0])
    for (name, _), values in zip(_fields(kind), zip(*[vars(row).values() for row in rows])):
        column = _column(values)
        parts.append(f'"{name}":' + ("null" if column is None else "%s"))
        if column is not None:
            columns.append(column)
    template = "{" + ",".join(parts) + "}"
    every = [template] * len(rows)
    return [",".join(every) % tuple(chain.from_iterable(zip(*columns)))] if columns else every


def _column(values: tuple[Any, ...]) -> Optional[Sequence[Any]]:
    """What "%s" shows as JSON; None if there is no value."""
    kinds = set(map(type, values))
    if kinds == {type(None)}:
        return None
    if kinds == {int}:
        return values
    if kinds == {int, type(None)}:
        return ["null" if value is None else value for value in values]
    if kinds == {str} and "".join(values).isascii():
        return list(map(encode_basestring_ascii, values))
    if len(kinds) > 1:  # 1 and True are equal
        return [_dumped(plain(value)) for value in values]
    known = {value: _dumped(plain(value)) for value in set(values)}
    return [known[value] for value in values]


_PLAIN_ALREADY = frozenset((int, bool, float, type(None)))


@cache
def _fields(owner: Any) -> list[tuple[str, Any]]:
    hints = get_type_hints(owner)
    return [(field.name, hints[field.name]) for field in fields(owner) if (owner, field.name) not in _LEFT_OUT]


@cache
def _names(owner: type) -> tuple[tuple[str, Optional[tuple[str, ...]]], ...]:
    """The fields, each with the names for the members of its tuples."""
    return tuple((name, MEMBERS.get((owner, name))) for name, _ in _fields(owner))


@cache
def _words(owner: type) -> Optional[tuple[str, ...]]:
    """The fields that may hold text, if all of them hold that or numbers; None if there are others."""
    kinds = {name: set(get_args(hint)) if get_origin(hint) is Union else {hint} for name, hint in _fields(owner)}
    if len(kinds) < len(fields(owner)) or not all(map(_is_short, chain.from_iterable(kinds.values()))):
        return None
    return tuple(name for name, found in kinds.items() if not found <= _PLAIN_ALREADY)


def _is_short(hint: Any) -> bool:
    """Is such a value a number or text?"""
    return hint in _PLAIN_ALREADY or (isinstance(hint, type) and issubclass(hint, (str, Enum)))


def _named(names: tuple[str, ...], value: Any) -> Any:
    return [{key: plain(part) for key, part in zip(names, item)} for item in value]


def _text(text: str) -> str:
    if text.isascii() or not any("\udc80" <= c <= "\udcff" for c in text):
        return text
    return "".join(f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in text)


def schema() -> dict[str, Any]:
    """The JSON Schema of a document (json, yaml) and of a line (jsonl)."""
    definitions: dict[str, Any] = {}
    unread = _object({"number": {"type": "integer"}, "text": {"type": "string"}})
    one = {
        "event": _schema(OomEvent, definitions),
        "unread": {"type": "array", "items": unread, "description": "Lines of the report that nothing could read."},
        "explanation": _schema(why.Explanation, definitions),
    }
    version = {"const": SCHEMA}
    pattern = _schema(Optional[why.Pattern], definitions)
    definitions["Entry"] = _object(one)
    definitions["Line"] = dict(_object({"schema": version, **one}), description="A line of jsonl.")
    events = {"type": "array", "items": {"$ref": "#/$defs/Entry"}}
    definitions["Document"] = dict(
        _object({"schema": version, "events": events, "pattern": pattern}), description="What json and yaml write."
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://oomtrace.invalid/schema/2",
        "title": SCHEMA,
        "oneOf": [{"$ref": "#/$defs/Document"}, {"$ref": "#/$defs/Line"}],
        "$defs": definitions,
    }


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


_SCALARS: Mapping[Any, str] = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}


def _schema(hint: Any, definitions: dict[str, Any], names: Optional[tuple[str, ...]] = None) -> dict[str, Any]:
    """The schema of a type; dataclasses go to ``definitions``."""
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"type": "string", **({"enum": [word.value for word in hint]} if len(hint) else {})}
    if is_dataclass(hint):
        return _dataclass(hint, definitions)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Union:
        return {"anyOf": [_schema(one, definitions) for one in arguments]}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _schema(arguments[0], definitions, names)}
    if origin is tuple and names is not None:
        return _object({name: _schema(one, definitions) for name, one in zip(names, arguments)})
    if origin is collections.abc.Mapping:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    raise TypeError(f"no schema for {hint}")


def _dataclass(owner: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    name = owner.__name__
    if name not in definitions:
        definitions[name] = {}  # its place, should it refer to itself
        described = (inspect.getdoc(owner) or "").split("\n\n")[0].replace("\n", " ")
        properties = {key: _schema(hint, definitions, MEMBERS.get((owner, key))) for key, hint in _fields(owner)}
        changed = {"$comment": _SINCE_1[name]} if name in _SINCE_1 else {}
        definitions[name] = {"description": described, **changed, **_object(properties)}
    return {"$ref": f"#/$defs/{name}"}

"""Dataclasses ↔ values that JSON can hold, by the types of their fields.

What is read may be from anywhere, and of an earlier or a later version: fields that are not there keep their default,
what nobody knows is passed over, and a value of another type is a ValueError that says where it stands.
"""

from __future__ import annotations

import collections.abc
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Callable, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Reader = Callable[[Any], Any]


def from_plain(kind: type[T], value: object) -> T:
    """The object of a dataclass that the value stands for. Raises ValueError."""
    read: Callable[[Any], T] = reader(kind)  # type: ignore[arg-type]  # mypy: a type variable is not hashable
    return read(value)


def to_plain(value: Any) -> Any:
    """Dataclasses and mappings as dicts, tuples as lists, enums as their values."""
    if is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, collections.abc.Mapping):
        return {name: to_plain(item) for name, item in value.items()}
    return value.value if isinstance(value, Enum) else value


@cache
def reader(hint: Any) -> Reader:
    """What makes a value of that type of what JSON has in its place, or raises ValueError.

    Types: int, float, str, bool, None, unions and Optional, ``Tuple[X, ...]``, ``Tuple[X, Y]``, ``Mapping[str, X]``,
    enums, NamedTuples (lists in JSON) and dataclasses. Raises TypeError for a type that it does not know.
    """
    if hint in _SCALARS:
        return _SCALARS[hint]
    if is_dataclass(hint):
        return _Object(hint).read
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if isinstance(hint, type) and issubclass(hint, tuple):
        return _named_tuple(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Union:
        return _union([reader(one) for one in arguments])
    if origin is tuple and arguments[-1] is Ellipsis:
        return _sequence(reader(arguments[0]))
    if origin is tuple:
        return _members([reader(one) for one in arguments])
    if origin is collections.abc.Mapping:
        return _mapping(reader(arguments[1]))
    raise TypeError(f"nothing reads {hint}")


def _scalar(kind: type) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is kind:  # a bool is no int
            return value
        raise ValueError(f"{_shown(value)} is no {kind.__name__}")

    return read


def _float(value: Any) -> float:
    if type(value) in (int, float):
        return float(value)
    raise ValueError(f"{_shown(value)} is no number")


def _nothing(value: Any) -> None:
    if value is not None:
        raise ValueError(f"{_shown(value)} is not null")


_SCALARS: dict[Any, Reader] = {
    int: _scalar(int), str: _scalar(str), bool: _scalar(bool), float: _float, type(None): _nothing,
}


def _union(readers: list[Reader]) -> Reader:
    if _nothing in readers:  # None first: it is what most optional fields have
        readers = [_nothing, *(one for one in readers if one is not _nothing)]

    def read(value: Any) -> Any:
        problem = ValueError("nothing")
        for one in readers:
            try:
                return one(value)
            except ValueError as error:
                problem = error
        raise problem

    return read


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ValueError(f"{_shown(value)} is no list")


def _sequence(member: Reader) -> Reader:
    return lambda value: tuple(map(member, _list(value)))


def _members(readers: list[Reader]) -> Reader:
    def read(value: Any) -> tuple[Any, ...]:
        if len(_list(value)) != len(readers):
            raise ValueError(f"{len(value)} members, not {len(readers)}")
        return tuple(one(item) for one, item in zip(readers, value))

    return read


def _named_tuple(owner: Any) -> Reader:
    hints = get_type_hints(owner)
    members = _members([reader(hints[name]) for name in owner._fields])
    return lambda value: owner(*members(value))


def _mapping(member: Reader) -> Reader:
    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(f"{_shown(value)} is no object")
        return {name: member(item) for name, item in value.items()}

    return read


class _Object:
    """Reads a dataclass."""

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        hints = get_type_hints(owner)
        self._fields = [(field.name, reader(hints[field.name])) for field in fields(owner) if field.init]
        self._needed = [
            field.name for field in fields(owner) if field.default is MISSING and field.default_factory is MISSING
        ]

    def read(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"{_shown(value)} is no object")
        found = {}
        for name, member in self._fields:
            if name in value:
                try:
                    found[name] = member(value[name])
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from error
        for name in self._needed:
            if name not in found:
                raise ValueError(f"{name} is missing")
        return self._owner(**found)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."

"""Dataclasses ↔ values that JSON can hold, by the types of their fields.

What is read may be from anywhere, and of an earlier or a later version: fields that are not there keep their default,
what nobody knows is passed over, and a value of another type is a ValueError that says where it stands.
"""

from __future__ import annotations

import base64
import collections.abc
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, Callable, Optional, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Read = Callable[[Any], Any]
# How a dataclass's field that is a tuple of tuples names their members in JSON, where they are objects.
Members = Mapping[tuple[type, str], tuple[str, ...]]


def to_plain(value: Any) -> Any:
    """Dataclasses and mappings as dicts, tuples as lists, enums as their values, bytes as base64."""
    if is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, collections.abc.Mapping):
        return {name: to_plain(item) for name, item in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.value if isinstance(value, Enum) else value


class PlainReader:
    """Makes dataclasses of what JSON holds. ``members``: the tuples whose members have names there; ``text``: what a
    text there stands for."""

    def __init__(self, members: Optional[Members] = None, text: Callable[[str], str] = str) -> None:
        self._members = members or {}
        self._text = text
        self._known: dict[Any, Read] = {
            int: _scalar(int), bool: _scalar(bool), float: _float, type(None): _nothing, str: self._str,
            bytes: _bytes,
        }

    def read(self, kind: type[T], value: object) -> T:
        """The object of a type that the value stands for. Raises ValueError."""
        found: T = self._of(kind)(value)
        return found

    def _of(self, hint: Any) -> Read:
        """What makes a value of that type of what JSON has in its place, or raises ValueError.

        Types: int, float, str, bytes, bool, None, unions and Optional, ``Tuple[X, ...]``, ``Tuple[X, Y]``,
        ``Mapping[str, X]``, enums, NamedTuples (lists in JSON) and dataclasses. Raises TypeError for any other.
        """
        if hint not in self._known:
            self._known[hint] = self._made(hint)
        return self._known[hint]

    def _made(self, hint: Any) -> Read:
        if is_dataclass(hint):
            return self._dataclass(hint)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return hint
        if isinstance(hint, type) and issubclass(hint, tuple):
            return self._named_tuple(hint)
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is Union:
            return _union([self._of(one) for one in arguments])
        if origin is tuple and arguments[-1] is Ellipsis:
            return _sequence(self._of(arguments[0]))
        if origin is tuple:
            return _members([self._of(one) for one in arguments])
        if origin is collections.abc.Mapping:
            return self._mapping(self._of(arguments[1]))
        raise TypeError(f"nothing reads {hint}")

    def _str(self, value: Any) -> str:
        if type(value) is str:
            return self._text(value)
        raise ValueError(f"{_shown(value)} is no str")

    def _named_tuple(self, owner: Any) -> Read:
        hints = get_type_hints(owner)
        members = _members([self._of(hints[name]) for name in owner._fields])
        return lambda value: owner(*members(value))

    def _mapping(self, member: Read) -> Read:
        def read(value: Any) -> dict[str, Any]:
            return {self._str(name): member(item) for name, item in _object(value).items()}

        return read

    def _dataclass(self, owner: Any) -> Read:
        hints = get_type_hints(owner)
        members = {field.name: self._field(owner, field.name, hints[field.name]) for field in fields(owner)}
        needed = [
            field.name for field in fields(owner) if field.default is MISSING and field.default_factory is MISSING
        ]

        def read(value: Any) -> Any:
            found = {}
            for name, item in _object(value).items():
                if name in members:
                    try:
                        found[name] = members[name](item)
                    except ValueError as error:
                        raise ValueError(f"{name}: {error}") from error
            for name in needed:
                if name not in found:
                    raise ValueError(f"{name} is missing")
            return owner(**found)

        return read

    def _field(self, owner: type, name: str, hint: Any) -> Read:
        names = self._members.get((owner, name))
        return self._of(hint) if names is None else _sequence(_by_name(names, self._of(get_args(hint)[0])))


def from_plain(kind: type[T], value: object) -> T:
    """The object of a dataclass that the value stands for. Raises ValueError."""
    return _READER.read(kind, value)


def _scalar(kind: type) -> Read:
    def read(value: Any) -> Any:
        if type(value) is kind:  # a bool is no int
            return value
        raise ValueError(f"{_shown(value)} is no {kind.__name__}")

    return read


def _float(value: Any) -> float:
    if type(value) in (int, float):
        return float(value)
    raise ValueError(f"{_shown(value)} is no number")


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{_shown(value)} is no base64") from error


def _nothing(value: Any) -> None:
    if value is not None:
        raise ValueError(f"{_shown(value)} is not null")


def _union(readers: list[Read]) -> Read:
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


def _sequence(member: Read) -> Read:
    return lambda value: tuple(map(member, _list(value)))


def _members(readers: list[Read]) -> Read:
    def read(value: Any) -> tuple[Any, ...]:
        if len(_list(value)) != len(readers):
            raise ValueError(f"{len(value)} members, not {len(readers)}")
        return tuple(one(item) for one, item in zip(readers, value))

    return read


def _by_name(names: tuple[str, ...], member: Read) -> Read:
    """An object with these names, where the type has a tuple."""
    def read(value: Any) -> Any:
        for name in names:
            if name not in _object(value):
                raise ValueError(f"{name} is missing")
        return member([value[name] for name in names])

    return read


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ValueError(f"{_shown(value)} is no list")


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise ValueError(f"{_shown(value)} is no object")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


_READER = PlainReader()

"""What JSON has → dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Optional, Union

import pytest

from oomtrace.plain import from_plain, to_plain


class Colour(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


@dataclass(frozen=True)
class Inner:
    name: str


@dataclass(frozen=True)
class Outer:
    number: int
    ratio: float = 0.0
    flag: bool = False
    maybe: Optional[str] = None
    inner: Optional[Inner] = None
    many: tuple[Inner, ...] = ()
    pair: tuple[int, str] = (0, "")
    either: tuple[Union[Inner, str], ...] = ()
    by_name: Optional[Mapping[str, int]] = None
    colour: Optional[Colour] = None
    point: Optional[Point] = None
    data: bytes = b""


def test_all_types() -> None:
    plain = {
        "number": 1, "ratio": 2, "flag": True, "maybe": "x", "inner": {"name": "a"}, "many": [{"name": "b"}],
        "pair": [3, "c"], "either": ["d", {"name": "e"}], "by_name": {"f": 4}, "colour": "red", "point": [5, 6],
        "data": "/wA=",
    }
    made = Outer(
        1, 2.0, True, "x", Inner("a"), (Inner("b"),), (3, "c"), ("d", Inner("e")), {"f": 4}, Colour.RED, Point(5, 6),
        b"\xff\x00",
    )
    assert from_plain(Outer, plain) == made and to_plain(made) == plain


def test_what_is_not_there_has_its_default_and_what_nobody_knows_is_passed_over() -> None:
    assert from_plain(Outer, {"number": 1, "maybe": None, "later": []}) == Outer(1)


@pytest.mark.parametrize("plain, problem", [
    ([], "no object"),
    ({}, "number is missing"),
    ({"number": True}, "number: True is no int"),
    ({"number": "1"}, "number: '1' is no int"),
    ({"number": 1, "inner": {}}, "inner: name is missing"),
    ({"number": 1, "many": [{"name": 5}]}, "many: name: 5 is no str"),
    ({"number": 1, "many": {"name": "x"}}, "many: .* is no list"),
    ({"number": 1, "pair": [1]}, "pair: 1 members, not 2"),
    ({"number": 1, "colour": "blue"}, "colour: 'blue' is not a valid"),
    ({"number": 1, "data": "§"}, "data: '§' is no base64"),
    ({"number": 1, "point": [1, "x"]}, "point: 'x' is no int"),
])
def test_what_is_of_another_type(plain: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        from_plain(Outer, plain)

"""BTF, on blobs made here: what is found in them, and that one which is not whole is told from one which is."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

import pytest

from oomtrace.errors import EXIT_NO_TYPES, OomtraceError
from oomtrace.kernel import btf
from oomtrace.kernel.btf import Btf


class Blob:
    """A BTF blob in the making: types in order, and the strings that they name."""

    def __init__(self) -> None:
        self._strings, self._types, self._count = b"\0", b"", 0

    def name(self, text: str) -> int:
        """The offset of a string."""
        if not text:
            return 0
        found = self._strings.find(b"\0" + text.encode() + b"\0")
        if found < 0:
            found = len(self._strings) - 1
            self._strings += text.encode() + b"\0"
        return found + 1

    def add(self, name: str, kind: int, vlen: int, third: int, *more: int, flag: int = 0) -> int:
        """A type; its id."""
        self._types += pack("<III", self.name(name), flag << 31 | kind << 24 | vlen, third)
        self._types += pack(f"<{len(more)}I", *more)
        self._count += 1
        return self._count

    def struct(self, name: str, size: int, members: Sequence[tuple[str, int, int]], flag: int = 0) -> int:
        """``members``: name, type, offset in bits."""
        words = [word for member, kind, bits in members for word in (self.name(member), kind, bits)]
        return self.add(name, btf.STRUCT, len(members), size, *words, flag=flag)

    def enum(self, name: str, values: dict[str, int]) -> int:
        """An enum of 32 bits."""
        words = [word for key, value in values.items() for word in (self.name(key), value & 0xFFFFFFFF)]
        return self.add(name, btf.ENUM, len(values), 4, *words, flag=any(value < 0 for value in values.values()))

    def data(self) -> bytes:
        """The whole of it."""
        head = pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self._types), len(self._types), len(self._strings))
        return head + self._types + self._strings


def kernel() -> Blob:
    """Types of all kinds and lengths, in an order that makes each follow each."""
    made = Blob()
    made.add("int", btf.INT, 0, 4, 1 << 24 | 32)  # 1
    made.add("", btf.PTR, 0, 1)  # 2
    made.add("", btf.ARRAY, 0, 0, 1, 1, 6)  # 3: int[6]
    made.enum("small", {"MINUS": -1, "ONE": 1})  # 4
    made.struct("few", 16, [("a", 1, 0), ("array", 3, 32)])  # 5
    for members in (0, 1, 23, 24, 25, 300):  # 6 … 11
        made.struct(f"of_{members}", 4 * members, [(f"m{i}", 1, 32 * i) for i in range(members)])
    made.enum("large", {f"E{i}": i for i in range(400)})  # 12
    made.add("", btf.FUNC_PROTO, 2, 1, made.name("gfp"), 1, made.name("order"), 2)  # 13
    made.add("vmpressure", btf.FUNC, 1, 13)  # 14
    made.struct("", 8, [("inside", 1, 0), ("bits", 1, 4 << 24 | 36)], flag=1)  # 15
    made.struct("outer", 24, [("first", 1, 0), ("", 15, 64), ("last", 2, 128)])  # 16
    made.add("wide", btf.ENUM64, 1, 8, made.name("WIDE"), 7, 0)  # 17
    made.add("seven", btf.TYPEDEF, 0, 3)  # 18
    made.enum("other", {"ONE": 9})  # 19
    made.add("of_23", btf.FWD, 0, 0)  # 20
    return made


def test_what_is_asked_is_found() -> None:
    types = Btf(kernel().data())
    assert [types.struct_id(f"of_{members}") for members in (0, 1, 23, 24, 25, 300)] == list(range(6, 12))
    assert types.struct_id("vmpressure") is None and types.struct_id("nowhere") is None
    last = types.field("of_300", "m299")
    assert last is not None and last.offset_bytes == 4 * 299 and types.size_bytes(last.type_id) == 4
    array = types.field("few", "array")
    assert array is not None and (types.size_bytes(array.type_id), types.length(array.type_id)) == (24, 6)
    assert types.enumerator("E399") == 399 and types.enumerator("MINUS") == -1 and types.enumerator("WIDE") == 7
    assert types.enumerator("ONE") == 1 and types.enumerator_of("other", "ONE") == 9
    assert types.enumerator_of("large", "ONE") is None and types.enumerator("int") is None
    assert types.function_id("vmpressure") == 14 and types.function_id("few") is None
    assert types.parameters("vmpressure") == ("gfp", "order") and types.parameters("int") == ()


def test_fields_of_anonymous_structs_count_from_the_outer_one() -> None:
    types = Btf(kernel().data())
    inside, bits = types.field("outer", "inside"), types.field("outer", "bits")
    assert inside is not None and (inside.offset_bytes, inside.bit_size) == (8, None)
    assert bits is not None and (bits.bit_offset, bits.bit_size) == (100, 4)
    assert types.field("outer", "a") is None


@pytest.mark.parametrize("kept", [0, 23, 24, 100, -1, -200, -400])
def test_what_is_cut_is_refused(kept: int) -> None:
    with pytest.raises(OomtraceError, match="not BTF|end too early") as caught:
        Btf(kernel().data()[:kept])
    assert caught.value.status == EXIT_NO_TYPES


def test_types_that_do_not_end_where_their_section_does_are_refused() -> None:
    made = kernel()
    made.add("torn", btf.STRUCT, 9, 4, 1, 1)
    with pytest.raises(OomtraceError, match="end too early"):
        Btf(made.data())


def test_more_than_is_expected_does_no_harm() -> None:
    assert Btf(kernel().data() + bytes(4096)).enumerator("E7") == 7


def test_a_kind_of_the_future_is_named() -> None:
    made = kernel()
    made.add("future", 25, 0, 0)
    with pytest.raises(OomtraceError, match="a type of kind 25, which is not known"):
        Btf(made.data())

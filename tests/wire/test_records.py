"""The Python types of the records say what bpf/records.h says."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from oomtrace.wire.layout import Layout
from oomtrace.wire.records import Chars, RecordKind, Struct, struct_name, struct_of
from tests.wire.made import LAYOUT, record

_UNUSED = "unused"  # fills a gap


def _hint(member: Any) -> Any:
    """The type of a member that ctypes has laid out."""
    if issubclass(member, ctypes.Array):
        return Sequence[_hint(member._type_)]  # type: ignore[misc]
    return struct_of(member.__name__) if issubclass(member, ctypes.Structure) else int


@pytest.mark.parametrize("name", list(LAYOUT.structs))
def test_a_struct_has_the_headers_members(name: str) -> None:
    laid_out, typed = LAYOUT.structs[name], struct_of(name)
    assert typed is not Struct, "the header has a struct that records.py does not know"
    hints = {member: hint for member, hint in get_type_hints(typed).items() if not member.startswith("__")}
    fields = [(field[0], _hint(field[1])) for field in laid_out._fields_ if field[0] != _UNUSED]
    assert [(member, Sequence[int] if hint == Chars else hint) for member, hint in hints.items()] == fields
    assert all(get_origin(hint) is None or get_args(hint) for hint in hints.values())


def test_the_header_has_every_struct() -> None:
    assert {struct_of(name) for name in LAYOUT.structs} == set(Struct.__subclasses__())


def test_kinds_have_the_headers_names_and_numbers() -> None:
    header = {name[len("REC_"):]: value for name, value in LAYOUT.constants.items() if name.startswith("REC_")}
    assert header == {kind.name: kind.value for kind in RecordKind if kind is not RecordKind.OTHER}


@pytest.mark.parametrize("kind", list(RecordKind)[1:], ids=lambda kind: kind.name)
def test_every_kind_has_a_struct(kind: RecordKind) -> None:
    typed = struct_of(struct_name(kind))
    assert typed is not Struct
    body = record(kind, 3).read(typed)
    assert isinstance(body, typed) and isinstance(body, ctypes.Structure)


def test_a_record_is_read_as_what_it_is() -> None:
    with pytest.raises(TypeError, match="STACK is no RecTask"):
        record(RecordKind.STACK).read(struct_of("rec_task"))


# Of an earlier version: without what came later.
EARLIER = """
enum record_kind { REC_HEADER = 4, REC_DONE = 15, REC_SUPPRESSED = 38, };
struct rec_header { u32 kind; u32 seq; u64 oom_id; u64 time_ns; };
struct rec_report { struct rec_header header; u64 totalpages; };
struct rec_group { struct rec_header header; u64 memcg; };
struct rec_done { struct rec_header header; u32 pid; u32 unused; };
"""


def _of_earlier(struct: str, **fields: int) -> bytes:
    body = Layout(EARLIER).structs[struct](**fields)
    body.header.kind = {"rec_report": 4, "rec_group": 38}[struct]
    return bytes(body)


def test_what_came_later_has_a_default() -> None:
    report = Layout(EARLIER).decode(_of_earlier("rec_report", totalpages=7)).read(struct_of("rec_report"))
    assert (report.totalpages, report.dump_tasks) == (7, -1)  # type: ignore[attr-defined]


def test_a_count_that_travelled_in_another_struct() -> None:
    """Up to the first version, REC_SUPPRESSED and REC_DONE were a struct rec_group, with their number as its memcg."""
    for number, name, member in ((38, "rec_suppressed", "callbacks"), (15, "rec_done", "pid")):
        body = Layout(EARLIER).structs["rec_group"](memcg=1234)
        body.header.kind = number
        made = Layout(EARLIER).decode(bytes(body))
        assert getattr(made.read(struct_of(name)), member) == 1234


def test_a_kind_of_a_later_version_is_passed_over() -> None:
    text = EARLIER.replace("REC_DONE", "REC_NEW = 14, REC_DONE")
    later = Layout(text + "struct rec_new { struct rec_header header; };")
    body = later.structs["rec_new"]()
    body.header.kind = 14
    assert later.decode(bytes(body)).kind is RecordKind.OTHER


def test_numbers_are_the_headers_own() -> None:
    other = Layout(EARLIER.replace("REC_HEADER = 4", "REC_HEADER = 104"))
    data = bytearray(_of_earlier("rec_report"))
    data[0] = 104
    assert other.decode(bytes(data)).kind is RecordKind.HEADER


def test_constants_are_the_headers() -> None:
    names: list[str] = ["NO_SEQ", "NOT_TRACKED", "CODE_BEFORE", "TASK_HAS_MM"]
    assert [LAYOUT.constants[name] for name in names] == [(1 << 32) - 1, (1 << 64) - 1, 42, 1]
    assert record(RecordKind.FRAME, None).seq is None and record(RecordKind.FRAME, 0).seq == 0

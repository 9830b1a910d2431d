"""folded and pprof: whose code charged memory."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oomtrace import output
from oomtrace.errors import OomtraceError
from oomtrace.model import CodeFrame, OomEvent
from oomtrace.output import read_json
from tests.codes import CODE, MIB
from tests.events import made

EVENT = made(code=CODE)


def written(form: str, *events: OomEvent) -> bytes:
    stream = io.BytesIO()
    writer = output.writer(form, stream)
    for event in events:
        writer.event(event)
    writer.finish()
    return stream.getvalue()


def test_folded() -> None:
    assert written("folded", EVENT).decode().splitlines() == [
        f"catalog (158);__libc_start_main;main;load_catalog;parse_row {36 * MIB}",
        f"python3 (170);__libc_start_main;<module> (catalog.py:31);Catalog.fill (catalog.py:9);memset {12 * MIB}",
        f"catalog (158);__libc_start_main;main;make_cache;memset {8 * MIB}",
        f"catalog (158);load_catalog;libshelf.so+0x1234 {4 * MIB}",
        f"kworker/0:1 (40);[kernel thread] {MIB}",
    ]


def test_folded_names_of_others_stay_within_their_frame() -> None:
    frames = (CodeFrame("f(a; b)\n\x1b[2J"), *CODE.frames[1:])
    line = written("folded", made(code=replace(CODE, frames=frames))).decode().splitlines()[0]
    assert line.endswith(rf"load_catalog;f(a: b)\x0a\x1b[2J {36 * MIB}")


@pytest.mark.parametrize("form", ["folded", "pprof"])
def test_without_stacks_it_says_how_to_get_them(form: str) -> None:
    with pytest.raises(OomtraceError, match="whose code") as error:
        written(form, OomEvent())
    assert "--stacks" in str(error.value.hint)


def test_json_has_frames_once_and_is_read_again() -> None:
    text = written("jsonl", EVENT)
    assert text.count(b'"parse_row"') == 1
    (entry,) = read_json.entries([text])
    assert read_json.event(entry).code == CODE


def test_pprof_by_protobuf() -> None:
    profile = _parsed(written("pprof", EVENT, EVENT))
    strings = list(profile.string_table)
    assert [(strings[kind.type], strings[kind.unit]) for kind in profile.sample_type] == [
        ("samples", "count"), ("charged", "bytes")]
    functions = {function.id: strings[function.name] for function in profile.function}
    locations = {
        location.id: (functions[location.line[0].function_id], location.line[0].line) for location in profile.location
    }
    first = profile.sample[0]
    assert [locations[one] for one in first.location_id][:3] == [("parse_row", 12), ("load_catalog", 21), ("main", 7)]
    assert list(first.value) == [9, 36 * MIB]
    labels = {strings[label.key]: strings[label.str] or label.num for label in first.label}
    assert labels == {
        "process": "catalog (158)", "pid": 158, "thread": 158, "memcg": "/shop", "kind": "anonymous"}
    assert [strings[one.filename] for one in profile.mapping][0] == "/opt/shop/catalog"
    assert sum(sample.value[1] for sample in profile.sample) == 2 * 61 * MIB
    assert profile.duration_nanos == 18_000_000_000 and profile.period == 256 * 1024


def test_pprof_by_go(tmp_path: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip("there is no go (Debian: golang-go)")
    path = tmp_path / "oom.pb.gz"
    path.write_bytes(written("pprof", EVENT))
    done = subprocess.run(["go", "tool", "pprof", "-top", str(path)], capture_output=True, text=True, timeout=300)
    assert "Type: charged" in done.stdout, done.stderr
    assert any(line.split()[:2] == ["36MB", "59.02%"] and line.endswith("parse_row")
               for line in done.stdout.splitlines()), done.stdout


def test_pprof_is_not_for_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with pytest.raises(OomtraceError, match="no text"):
        output.writer("pprof", Terminal())


def _parsed(data: bytes) -> Any:
    """By protobuf, from the definition of google/pprof's profile.proto: numbers, names and types of its fields."""
    pytest.importorskip("google.protobuf")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    definition = {
        "ValueType": "1 type int64; 2 unit int64",
        "Label": "1 key int64; 2 str int64; 3 num int64; 4 num_unit int64",
        "Sample": "1 location_id *uint64; 2 value *int64; 3 label *Label",
        "Mapping": "1 id uint64; 2 memory_start uint64; 3 memory_limit uint64; 4 file_offset uint64; 5 filename int64; "
                   "6 build_id int64; 7 has_functions bool",
        "Line": "1 function_id uint64; 2 line int64",
        "Location": "1 id uint64; 2 mapping_id uint64; 3 address uint64; 4 line *Line",
        "Function": "1 id uint64; 2 name int64; 3 system_name int64; 4 filename int64; 5 start_line int64",
        "Profile": "1 sample_type *ValueType; 2 sample *Sample; 3 mapping *Mapping; 4 location *Location; "
                   "5 function *Function; 6 string_table *string; 9 time_nanos int64; 10 duration_nanos int64; "
                   "11 period_type ValueType; 12 period int64",
    }
    file = descriptor_pb2.FileDescriptorProto(name="profile.proto", package="perftools", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in definition.items():
        message = file.message_type.add(name=name)
        for field in fields.split("; "):
            number, called, kind = field.split()
            many, kind = kind.startswith("*"), kind.lstrip("*")
            made = message.field.add(name=called, number=int(number),
                                     label=kinds.LABEL_REPEATED if many else kinds.LABEL_OPTIONAL)
            if kind in definition:
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".perftools.{kind}"
            else:
                made.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    profile = message_factory.GetMessageClass(pool.FindMessageTypeByName("perftools.Profile"))()
    profile.ParseFromString(gzip.decompress(data))
    return profile

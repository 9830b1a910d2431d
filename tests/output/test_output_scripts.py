"""What scripts read: json, jsonl, yaml, and the schema that they follow."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any

import pytest
import yaml
from why_events import machine_wide, memcg2, seed, task, zone

from oomtrace import output, text, why
from oomtrace.model import (
    Allocation,
    Candidate,
    Frame,
    Growth,
    HugePages,
    Line,
    MemcgLevel,
    OomEvent,
    Part,
    PerCpuLists,
    PerCpuRow,
    Reap,
    Reclaim,
    Registers,
    Release,
    Sharing,
    SlabCache,
    Stack,
)
from oomtrace.text.source import opened
from tests.corpus import logs
from tests.events import changed

jsonschema = pytest.importorskip("jsonschema")



def written(format: str, *events: OomEvent, pattern: bool = True) -> str:
    stream = io.StringIO()
    writer = output.writer(format, stream)
    for event in events:
        writer.event(event)
    writer.finish(why.pattern(events) if pattern else None)
    return stream.getvalue()


@cache
def _validator() -> Any:
    schema = output.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def valid(document: Any) -> Any:
    _validator().validate(document)
    return document


def everything() -> OomEvent:
    """An event with something in every field that can hold something."""
    event = machine_wide(zones=(zone("DMA32", 1, 2, 3, (1, 2)),))
    assert event.report.meminfo is not None
    registers = Registers(cs=0x33, ip=2**64 - 1, general={"RAX": 2**64 - 38})
    return changed(
        event,
        memcg=memcg2().report.memcg, levels=(MemcgLevel("/a", 1, None, 2, 3, 4, 5, 6, True),),
        meminfo=replace(
            event.report.meminfo, hugepages=(HugePages(0, 1, 2, 3, 2048),),
            allocations=(Allocation("1 MiB", 1, "f", 2, "g"),),
            per_cpu=(PerCpuLists(0, "DMA", (PerCpuRow(0, 1, 2, 3),)),),
        ),
        stack=Stack(("<TASK>", Frame("f", 1, 2), Frame(None, address=2**64 - 4096), "</TASK>"), registers, 3,
                    ((1, registers),), (" ffff",)),
        slab=(SlabCache("dentry", 1, 2),), sharing=(Sharing(1, "s"),), reaps=(Reap(1, "r", True, 0, 0, 0, 5),),
        candidates=(Candidate(task(1, "c", 5), 5, None),), totalpages=2**52, chosen_points=-5,
        growth=(Growth(1, "g", 5, "/a", 6),), reclaim=Reclaim(1, 2, 3, 4), releases=(Release(1, "exit", 5, 6),),
        times_ns={"header": 2**60}, missing=(Part.CALL_TRACE,),
        lines=(Line(3, None, None, "odd\udcff"), Line(4, "invoked")),
    )


def _loaded(text: str) -> Any:
    """What YAML holds; by libyaml, where PyYAML has it: it is ten times as fast."""
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@pytest.mark.parametrize("events", [[], [seed()], [seed(), memcg2(), machine_wide(), everything(), OomEvent()]])
def test_documents_follow_the_schema(events: list[OomEvent]) -> None:
    document = valid(json.loads(written("json", *events)))
    assert document["schema"] == "oomtrace/2"
    assert len(document["events"]) == len(events)
    assert _loaded(written("yaml", *events)) == document
    lines = [json.loads(line) for line in written("jsonl", *events).splitlines()]
    for line in lines[-2:]:
        valid(line)
    assert [{"schema": "oomtrace/2", **entry} for entry in document["events"]] == lines


def test_without_a_pattern() -> None:
    assert valid(json.loads(written("json", seed(), pattern=False)))["pattern"] is None
    assert valid(_loaded(written("yaml", seed(), pattern=False)))["pattern"] is None


def event_of(event: OomEvent) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(written("jsonl", event))["event"]
    return found


def test_numbers_are_exact_and_absent_is_null() -> None:
    whole = event_of(everything())
    found = whole["report"]
    assert found["stack"]["registers"]["ip"] == 2**64 - 1
    assert found["stack"]["entries"][2]["address"] == 2**64 - 4096
    assert found["stack"]["entries"][2]["symbol"] is None
    assert found["verdict"] is None
    assert whole["trace"]["totalpages"] == 2**52
    assert event_of(OomEvent())["report"]["tasks"] is None
    assert event_of(OomEvent())["report"]["kills"] == []


def test_members_of_pairs_have_names() -> None:
    found = event_of(everything())["report"]
    assert found["meminfo"]["zones"][0]["buddy"][0] == {"free_blocks": 0, "size_kb": 4, "types": "UM"}
    assert found["stack"]["inner"][0]["entries_before"] == 1


def test_a_live_mask_gets_its_names() -> None:
    assert event_of(seed())["report"]["trigger"]["gfp_flags"] == "GFP_KERNEL"


def test_lines_that_nothing_reads() -> None:
    line = json.loads(written("jsonl", everything()))
    assert line["unread"] == [{"number": 3, "text": "odd\\xff"}]
    assert "lines" not in line["event"]["origin"]


def test_findings_keep_facts_apart() -> None:
    explanation = json.loads(written("jsonl", seed()))["explanation"]
    pick = next(finding for finding in explanation["findings"] if finding["id"] == "pick")
    assert {"name": "score", "value": 973} in pick["facts"]
    assert pick["confidence"] == "certain"
    assert explanation["ranking"][0]["points"] == 255137


def test_text_is_ascii() -> None:
    event = changed(seed(), kills=tuple(replace(kill, comm="é\u202e\x1b\x9b") for kill in seed().report.kills))
    for format in ("json", "jsonl", "yaml"):
        assert written(format, event).isascii()
    assert event_of(event)["report"]["kills"][0]["comm"] == "é\u202e\x1b\x9b"


def test_a_line_is_a_line() -> None:
    event = changed(seed(), kills=tuple(replace(kill, comm="a\nb\u2028c") for kill in seed().report.kills))
    assert len(written("jsonl", event).splitlines()) == 1


def test_every_field_is_described_and_required() -> None:
    definitions = output.schema()["$defs"]
    for name, definition in definitions.items():
        assert definition["description"] if name != "Entry" else True
        assert definition["required"] == list(definition["properties"])
        assert definition["additionalProperties"] is False


def test_real_reports_follow_the_schema() -> None:
    validator = jsonschema.Draft202012Validator(output.schema())
    for path in logs():
        if path.parent.name == "vm" and not path.name.startswith(("7.3-", "5.10-v1")):
            continue  # they have the same fields
        with opened(str(path)) as stream:
            for event in islice(text.read(stream), 2):  # the others of a log are like them
                validator.validate(json.loads(written("jsonl", event)))


def test_the_schema_says_what_has_moved() -> None:
    definitions = output.schema()["$defs"]
    assert "levels in its memcg" in definitions["Trace"]["$comment"]
    assert {name for name, each in definitions.items() if "$comment" in each} == {
        "OomEvent", "Report", "Trace", "Origin", "Memcg"}

"""The queries of docs/fleet.md, by DuckDB itself, over 10,000 events as oomtrace writes them."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from oomtrace import output
from oomtrace.model import (
    Failure,
    Kill,
    Killed,
    Memcg,
    MemcgStats,
    OomEvent,
    PageCounter,
    Sender,
    Sent,
    Signalled,
    Task,
    Trigger,
)
from tests.events import made
from tests.pages import REPOSITORY

duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: pip install -e '.[test]'")

EVENTS, MACHINES, DAYS = 10_000, 50, 20
FIRST_DAY = datetime(2026, 3, 1, tzinfo=timezone.utc)
MIB = 1024
# What an event is, by its number modulo 10.
TIGHT, LEAKING, GLOBAL, OOMD, FAILED = range(5)
KINDS = (TIGHT, TIGHT, TIGHT, TIGHT, LEAKING, LEAKING, LEAKING, GLOBAL, OOMD, FAILED)


def oom(memcg: str, comm: str, limit_kb: int, held_kb: int) -> OomEvent:
    stats = MemcgStats(memcg, {"anon": held_kb * 1024, "file": 4096, "slab": 65536}, "bytes")
    tasks = tuple(Task(pid, comm, 0, pid, 5000, held_kb // 4, pgtables_bytes=65536) for pid in (7, 8, 9))
    return made(
        kind="memcg", memcg=Memcg(memcg, PageCounter(limit_kb, limit_kb, 9), stats=(stats,)), tasks=tasks,
        trigger=Trigger(comm, 7, order=0), kills=(Kill(7, comm, anon_rss_kb=held_kb),), victim_memcg=memcg,
    )


TEMPLATES = {
    TIGHT: oom("/system.slice/web.service", "nginx", 64 * MIB, 60 * MIB),
    LEAKING: oom("/system.slice/leak.service", "leaky", 64 * MIB, 60 * MIB),
    GLOBAL: made(kind="global", kills=(Kill(5, "postgres", anon_rss_kb=900 * MIB),), trigger=Trigger("sh", 4)),
    OOMD: made(kind="killed", killed=Killed(
        Sent.PROCESS, Sender(300, "systemd-oomd"), (Signalled(9, "firefox", 9, True, 1, memcg="/user.slice"),) * 2)),
    FAILED: made(kind="memcg", failure=Failure(3), memcg=Memcg("/never/counted"), trigger=Trigger("tar", 6)),
}


def moment(number: int) -> datetime:
    return FIRST_DAY + timedelta(days=number % DAYS, seconds=number // DAYS)


def line(template: dict[str, Any], number: int) -> str:
    """The number-th event: as the writer has it, on another machine at another time."""
    machine, event = number * 7 % MACHINES, template["event"]
    event["origin"].update(
        host=f"node{machine}", machine_id=f"{machine:032x}", boot_id=f"{machine}-{number * 2 // EVENTS}",
        unix_ns=int(moment(number).timestamp()) * 10**9, source="live")
    if KINDS[number % 10] == LEAKING:  # it holds more each time
        event["report"]["kills"][0]["anon_rss_kb"] = 52 * MIB + number % 8000
    return json.dumps(template)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A connection in which deploy/duckdb/events.sql has been run."""
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "events").mkdir()
    templates = {}
    for kind, event in TEMPLATES.items():
        stream = io.StringIO()
        output.writer("jsonl", stream).event(event)
        templates[kind] = json.loads(stream.getvalue())
    lines = [line(templates[KINDS[number % 10]], number) for number in range(EVENTS)]
    for part in range(MACHINES):
        (folder / f"events/node{part}.jsonl").write_text("\n".join(lines[part::MACHINES]) + "\n")
    script = (REPOSITORY / "deploy/duckdb/events.sql").read_text().replace("events/*.jsonl", f"{folder}/events/*.jsonl")
    connection = duckdb.connect()
    connection.execute(script)
    return connection


def query(name: str) -> str:
    page = Path(REPOSITORY / "docs/fleet.md").read_text()
    (found,) = re.findall(rf"^```sql {name}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return str(found)


def rows(fleet: Any, name: str) -> list[dict[str, Any]]:
    answer = fleet.execute(query(name))
    names = [column[0] for column in answer.description]
    return [dict(zip(names, row)) for row in answer.fetchall()]


def numbers(*kinds: int) -> list[int]:
    return [number for number in range(EVENTS) if KINDS[number % 10] in kinds]


def test_all_are_there_and_failed_charges_are_no_ooms(fleet: Any) -> None:
    assert fleet.execute("SELECT count(*) FROM events").fetchone() == (EVENTS,)
    assert fleet.execute("SELECT count(*) FROM ooms").fetchone() == (len(numbers(TIGHT, LEAKING, GLOBAL)),)


def test_worst_memcgs(fleet: Any) -> None:
    first, second = rows(fleet, "worst-memcgs")
    assert (first["memcg"], first["ooms"]) == ("/system.slice/web.service", len(numbers(TIGHT)))
    assert (second["memcg"], second["kills"]) == ("/system.slice/leak.service", len(numbers(LEAKING)))
    assert first["machines"] == len({number * 7 % MACHINES for number in numbers(TIGHT)})
    assert first["last"] == max(map(moment, numbers(TIGHT))).replace(tzinfo=None)


def test_repeat_victims(fleet: Any) -> None:
    found = rows(fleet, "repeat-victims")
    assert len(found) == 20
    counted = Counter((f"node{number * 7 % MACHINES}", kind) for number in numbers(TIGHT, LEAKING, GLOBAL)
                      for kind in [KINDS[number % 10]])
    best = found[0]
    names = {"nginx": TIGHT, "leaky": LEAKING, "postgres": GLOBAL}
    assert best["kills"] == max(counted.values()) == counted[best["host"], names[best["victim"]]]
    assert best["boots"] == 2 and best["first"] < best["last"]


def test_limits_too_small(fleet: Any) -> None:
    (found,) = rows(fleet, "limits-too-small")
    assert found["memcg"] == "/system.slice/web.service", "one that leaks is not among them"
    assert (found["limit_mib"], found["most_held_mib"], found["held_percent"]) == (64, 60, 94)


def test_by_day(fleet: Any) -> None:
    found = rows(fleet, "by-day")
    days = Counter(moment(number).date() for number in numbers(TIGHT, LEAKING, GLOBAL))
    assert {row["day"]: row["ooms"] for row in found} == dict(days) and len(found) > 1
    assert sum(row["of_the_whole_machine"] for row in found) == len(numbers(GLOBAL))


def test_other_killers(fleet: Any) -> None:
    (found,) = rows(fleet, "other-killers")
    kills = len(numbers(OOMD))
    assert (found["sender"], found["how"]) == ("systemd-oomd", "process")
    assert (found["deeds"], found["processes"]) == (kills, 2 * kills)

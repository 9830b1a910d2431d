"""What is said of the victim from its kill line alone, and of programs that have a setting for their memory."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from why_events import machine_wide, memcg2, task

from oomtrace import why
from oomtrace.model import Kill, Memcg, OomEvent, PageCounter
from oomtrace.why import phrasebook
from oomtrace.why.advice.programs import Programs, program
from tests.events import changed, made

GIB_KB = 1 << 20


def bare(comm: str, anon_rss_kb: int, **more: Any) -> OomEvent:
    values = {"memory": PageCounter(GIB_KB, GIB_KB, 300), **more}
    return made(kind="memcg", memcg=Memcg(path="/foo", **values), kills=(
        Kill(11, comm, total_vm_kb=4 * GIB_KB, anon_rss_kb=anon_rss_kb, file_rss_kb=0, shmem_rss_kb=0),))


def advised(event: OomEvent) -> list[why.Reason]:
    return [one.reason for one in why.explain(event).suggestions if one.reason in tuple(Programs)]


def of_limit(event: OomEvent) -> Optional[object]:
    found = why.explain(event).finding("killed")
    assert found is not None
    return found.value("limit_percent")


def test_how_much_of_the_limit_the_victim_held() -> None:
    assert of_limit(bare("hog", GIB_KB * 3 // 4)) == 75.0


@pytest.mark.parametrize("event", [
    bare("hog", GIB_KB + 4),  # a part of it is charged elsewhere
    bare("hog", 1024, memory=None),
    bare("hog", 1024, memory=PageCounter(1024, 9007199254740988, 0)),
    memcg2(),  # whose table tells
])
def test_and_where_that_cannot_be_told(event: OomEvent) -> None:
    assert of_limit(event) is None


@pytest.mark.parametrize("comm, known", [
    ("java", Programs.JVM), ("postgres", Programs.POSTGRES), ("mysqld", Programs.MYSQL), ("mongod", Programs.MONGODB),
    ("redis-server", Programs.REDIS), ("elasticsearch[n", Programs.ELASTICSEARCH), ("chrome", Programs.CHROME),
    ("firefox", Programs.FIREFOX), ("php-fpm8.2", Programs.PHP_FPM), ("clickhouse-serv", Programs.CLICKHOUSE),
    ("hog", None), ("javac", None), ("java-helper", None), ("nodejs-thing", None), ("", None),
])
def test_programs_by_name(comm: str, known: Optional[Programs]) -> None:
    assert program(comm) is known
    assert advised(bare(comm, GIB_KB * 3 // 4)) == ([known] if known is not None else [])


def test_a_name_alone_is_no_reason_for_advice() -> None:
    assert advised(bare("java", GIB_KB // 2 - 4)) == []
    assert advised(bare("java", GIB_KB * 3 // 4, memory=None)) == []
    full = PageCounter(GIB_KB, GIB_KB, 3)
    assert advised(bare("java", GIB_KB * 3 // 4, memory=PageCounter(GIB_KB, 4 * GIB_KB, 0), kmem=full)) == []
    assert advised(changed(bare("java", GIB_KB * 3 // 4), kind="sysrq")) == []


def test_who_holds_most_counts_and_not_the_victim() -> None:
    rows = (task(10, "java", 100), task(11, "hog", 10000))
    assert advised(memcg2(rows, victim=10)) == []
    rows = (task(10, "java", 10000), task(11, "hog", 100))
    event = memcg2(rows, victim=11)
    assert advised(event) == [Programs.JVM]
    said = next(one for one in why.explain(event).suggestions if one.reason is Programs.JVM)
    assert {fact.name: fact.value for fact in said.facts}["held_kb"] == 40000


def test_processes_of_one_name_together() -> None:
    rows = tuple(task(pid, "php-fpm", 1000) for pid in range(10, 20))
    event = memcg2(rows, victim=11)
    assert Programs.PHP_FPM in advised(event)
    found = why.explain(event).finding("together")
    assert found is not None and (found.value("processes"), found.value("same_name_kb")) == (10, 40000)


def test_of_the_machine_too() -> None:
    assert advised(machine_wide()) == []
    rows = (task(10, "small", 100), task(11, "mysqld", 200000))
    assert advised(machine_wide(tasks=rows)) == [Programs.MYSQL]
    assert advised(machine_wide(tasks=(task(10, "small", 100), task(11, "mysqld", 100000)))) == []  # 40 %


def test_each_program_has_its_words() -> None:
    assert all(known in phrasebook.PHRASES for known in Programs)

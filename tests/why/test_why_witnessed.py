"""What an explanation says of what was seen before the victim was gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional

from oomtrace import why
from oomtrace.model import Container, Identity, Kill, Look, Memcg, Occasion, OomEvent, PageCounter, Witness
from oomtrace.why import witnessed
from oomtrace.why.causes.killed import Killed
from tests.events import changed, made

PATH = "/libpod_parent/libpod-" + "0123456789abcdef" * 4
ETL = Identity(158, "python3", ("python3", "-m", "etl.load", "--table", "orders"), parent_pid=140, parent_comm="conmon",
               start_ns=10_000_000_000, age_ns=5, user="etl", cgroup=PATH, container_id="0123456789abcdef" * 4)
BOX = Container("0123456789abcdef" * 4, "podman", "orders-etl", "etl:1.4", cgroup=PATH)


def event(*looks: Look, **values: Any) -> OomEvent:
    memcg = Memcg(PATH, PageCounter(32768, 32768, 3))
    return made(kind="memcg", memcg=memcg, victim_memcg=PATH, begin_ns=190_000_000_000,
                kills=(Kill(158, "python3", uid=7, anon_rss_kb=30720, file_rss_kb=0, shmem_rss_kb=0),),
                witness=Witness(looks, **values))


def look(*tasks: Identity, occasion: Occasion = Occasion.OOM, container: Optional[Container] = BOX) -> Look:
    return Look(occasion, 1, PATH, tasks=tasks, containers=(container,) if container is not None else ())


def killed(one: OomEvent) -> why.Finding:
    found = why.explain(one).finding("killed")
    assert found is not None
    return found


def test_the_victim_by_its_command_and_container() -> None:
    found = killed(event(look(ETL)))
    assert found.has(Killed.VICTIM, Killed.PARENT)
    assert found.value("command") == "python3 -m etl.load --table orders"
    assert found.value("age_ns") == 180_000_000_000
    assert found.value("container") == "container orders-etl (image etl:1.4)"
    assert found.sentence.startswith(
        "`python3 -m etl.load --table orders` (158), 3 min old, of user etl, in container orders-etl (image etl:1.4); "
        "it held 30.0 MiB (30720 kB), 93.8 % of the limit.")


def test_of_a_pod() -> None:
    box = replace(BOX, name="etl", pod="orders-etl-7c9", pod_namespace="shop")
    assert killed(event(look(ETL, container=box))).value("container") == (
        "container etl (image etl:1.4) of pod shop/orders-etl-7c9")


def test_the_headline_names_the_container() -> None:
    assert why.explain(event(look(ETL))).headline.startswith(
        "Container orders-etl (image etl:1.4) reached its memory limit of 32.0 MiB")


def test_a_memcg_within_a_container_is_not_the_container() -> None:
    one = changed(event(look(ETL)), memcg=Memcg(PATH + "/app.slice", PageCounter(32768, 32768, 3)))
    assert "orders-etl" not in why.explain(one).headline.split(";")[0]


def test_nobody_has_looked() -> None:
    one = changed(event(), witness=None)
    found = killed(one)
    assert not found.has(Killed.PARENT) and found.value("command") is None
    assert found.sentence.startswith("python3 (158) of uid 7, which held 30.0 MiB")


def test_the_container_alone() -> None:
    """The process was gone when somebody looked."""
    found = killed(event(look()))
    assert found.value("container") == "container orders-etl (image etl:1.4)" and found.value("command") is None
    assert found.sentence.startswith("python3 (158), of uid 7, in container orders-etl")


def test_a_pid_that_another_had_before() -> None:
    """A look before the OOM saw another process of that pid."""
    other = replace(ETL, comm="sh", cmdline=("sh",), start_ns=5_000_000_000)
    assert killed(event(look(other, occasion=Occasion.NEAR_LIMIT))).value("command") is None
    by_kernel = Identity(158, "python3", start_ns=5_001_000_000, source="bpf")
    assert killed(event(look(other, occasion=Occasion.NEAR_LIMIT), tasks=(by_kernel,))).value("command") == "sh"


def test_the_last_look_counts() -> None:
    before = replace(ETL, cmdline=("python3", "before"))
    assert killed(event(look(before, occasion=Occasion.NEAR_LIMIT), look(ETL))).value("command") == (
        "python3 -m etl.load --table orders")
    assert killed(event(look(before, occasion=Occasion.NEAR_LIMIT), look())).value("command") == "python3 before"


def test_a_long_command_is_cut_off() -> None:
    long = replace(ETL, cmdline=("java", "-cp", "x" * 500))
    said = witnessed.command(long)
    assert said is not None and len(said) == 96 and said.endswith("…")


def test_words_with_blanks_are_quoted() -> None:
    assert witnessed.command(replace(ETL, cmdline=("sh", "-c", "a b", ""))) == "sh -c 'a b' ''"

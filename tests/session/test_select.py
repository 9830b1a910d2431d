"""Which events a person asked for."""

from __future__ import annotations

import pytest

from oomtrace.model import Container, Kill, Look, Memcg, Occasion, Trigger, Witness
from oomtrace.session.select import Selection
from tests.events import made

EVENT = made(
    kind="memcg", memcg=Memcg(path="/kubepods/pod1"), victim_memcg="/kubepods/pod1/c2", kills=(Kill(7, "java"),),
    trigger=Trigger(comm="sh", pid=8, tgid=8),
)


@pytest.mark.parametrize("pattern", ["/kubepods/pod1", "kubepods/pod1", "kubepods*", "*/c2", "/kubepods/pod[12]"])
def test_a_memcg_that_matches(pattern: str) -> None:
    assert Selection(cgroup=pattern).accepts(EVENT)


@pytest.mark.parametrize("pattern", ["pod1", "/pod1", "kubepods", "/KUBEPODS*"])
def test_a_memcg_that_does_not(pattern: str) -> None:
    assert not Selection(cgroup=pattern).accepts(EVENT)


@pytest.mark.parametrize(("selection", "accepted"), [
    (Selection(comm="j*"), True), (Selection(comm="sh"), True), (Selection(comm="b*"), False),
    (Selection(pid=7), True), (Selection(pid=8), True), (Selection(pid=9), False),
    (Selection(global_only=True), False), (Selection(memcg_only=True), True), (Selection(comm="java", pid=9), False),
])
def test_who_and_where(selection: Selection, accepted: bool) -> None:
    assert selection.accepts(EVENT) is accepted


SEEN = made(
    kind="memcg", memcg=Memcg(path="/kubepods/pod1"), victim_memcg="/kubepods/pod1/c2",
    witness=Witness(looks=(Look(Occasion.OOM, 0, containers=(
        Container("4f2d09aa", name="etl", pod="orders-etl-7c9", pod_namespace="shop", cgroup="/kubepods/pod1/c2"),
        Container("99999999", name="other", cgroup="/kubepods/pod3/c1"),
    )),)),
)


@pytest.mark.parametrize(("selection", "accepted"), [
    (Selection(container="etl"), True), (Selection(container="e*"), True), (Selection(container="4f2d"), True),
    (Selection(container="other"), False), (Selection(container="db"), False),
    (Selection(pod="shop/orders-etl-*"), True), (Selection(pod="orders-*"), True), (Selection(pod="shop/*"), True),
    (Selection(pod="test/orders-*"), False), (Selection(container="etl", pod="shop/x"), False),
    (Selection(container="99"), False),
])
def test_which_container(selection: Selection, accepted: bool) -> None:
    assert selection.accepts(SEEN) is accepted


def test_where_nobody_looked_no_container_is_known() -> None:
    assert not Selection(container="*").accepts(EVENT)

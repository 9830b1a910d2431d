"""Containers by their names, where somebody has looked: to a command's environment, the journal and a collector."""

from __future__ import annotations

from oomtrace.model import Container, Identity, Kill, Look, Memcg, Occasion, Witness
from oomtrace.tell import otlp
from oomtrace.tell.common.essentials import essentials
from tests.events import changed, made

ID = "0123456789abcdef" * 4
PATH = f"/kubepods/burstable/pod12345678-1234-1234-1234-123456789abc/{ID}"
BOX = Container(ID, "containerd", "etl", "registry/etl:1.4", "orders-etl-7c9", "shop", cgroup=PATH)
TASK = Identity(158, "python3", ("python3", "--table", "orders"), cgroup=PATH, container_id=ID)
EVENT = made(kind="memcg", memcg=Memcg(PATH), victim_memcg=PATH, kills=(Kill(158, "python3"),),
             witness=Witness((Look(Occasion.OOM, 1, PATH, tasks=(TASK,), containers=(BOX,)),)))


def test_names_of_a_container() -> None:
    found = essentials(EVENT)
    assert (found["OOMTRACE_CONTAINER"], found["OOMTRACE_IMAGE"]) == ("etl", "registry/etl:1.4")
    assert found["OOMTRACE_POD"] == "shop/orders-etl-7c9"
    told = otlp.attributes(EVENT)
    assert (told["container.id"], told["container.name"]) == (ID, "etl")
    assert told["container.image.name"] == "registry/etl:1.4"
    assert (told["k8s.namespace.name"], told["k8s.pod.name"]) == ("shop", "orders-etl-7c9")


def test_command_lines_are_told_to_nobody() -> None:
    """Neither by the journal's fields nor by a collector's: there they would reach files."""
    assert "--table" not in str(essentials(EVENT)) + str(otlp.attributes(EVENT))


def test_nobody_has_looked() -> None:
    event = changed(EVENT, witness=None)
    assert not {"OOMTRACE_CONTAINER", "OOMTRACE_IMAGE", "OOMTRACE_POD"} & essentials(event).keys()
    assert "container.name" not in otlp.attributes(event)

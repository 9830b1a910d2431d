"""What stands in the way of a reproduction. On a make-believe hierarchy."""

from __future__ import annotations

from pathlib import Path

import pytest

from oomtrace.repro import needs, parse
from oomtrace.repro.cgroups import Hierarchy
from oomtrace.repro.spec import Scenario

pytestmark = pytest.mark.skipif(not needs._NODES.exists(), reason="needs Linux")


def scenario(cgroups: str) -> Scenario:
    return parse.parse(f"about: a\ncgroups: {cgroups}\nprocesses: [{{name: p, do: [sleep]}}]", "x.yaml", "x")


def test_cgroups_that_exist_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    hierarchy = Hierarchy(2, {"memory": tmp_path})
    found = scenario("{/web: {memory.max: 64M}, /web/below: {}, /other: {}}")
    assert needs.unmet(found, hierarchy, True) == ["the cgroup /web exists"]
    assert needs.unmet(scenario("{/web/below: {}}"), hierarchy, True) == []


def test_in_each_hierarchy_that_is_used(tmp_path: Path) -> None:
    (tmp_path / "pids/web").mkdir(parents=True)
    hierarchy = Hierarchy(1, {"memory": tmp_path / "memory", "pids": tmp_path / "pids"})
    assert needs.unmet(scenario("{/web: {pids.max: 10}}"), hierarchy, True) == ["the cgroup /web exists"]
    assert needs.unmet(scenario("{/web: {memory.max: 64M}}"), hierarchy, True) == []

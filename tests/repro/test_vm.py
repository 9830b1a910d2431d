"""In guests: a few scenarios of the matrix, and ``oomtrace run`` as scripts use it."""

from __future__ import annotations

import pytest

from tests import promises
from vm import cells, scenario
from vm.spec import RunSpec

pytestmark = [pytest.mark.vm, pytest.mark.long]

# One boot each: they need nothing special, and between them every part of a report.
SCENARIOS = ("anon", "group", "burst", "unkillable", "exiting", "charge-fails")


@pytest.mark.parametrize("kernel", ["5.10", "7.3"])
def test_scenarios_of_one_boot(kernel: str) -> None:
    found = scenario.run_all(cells.load(SCENARIOS), [kernel])
    bad = [cell for cell in found if not cell.perfect]
    scenario.show(bad)
    assert not bad


@pytest.mark.parametrize("cgroup", ["v1", "v2"])
def test_run_as_scripts_use_it(cgroup: str) -> None:
    promises.kept(RunSpec(cgroup=cgroup, timeout=400), "sh tests/repro/guest_run.sh")

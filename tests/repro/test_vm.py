"""In guests: a third of the matrix of scenarios and kernels, and ``oomtrace run`` as scripts use it."""

from __future__ import annotations

import pytest

from tests import matrix as judged
from tests import promises
from vm import cells, matrix
from vm.spec import RunSpec


@pytest.mark.vm
@pytest.mark.first
@pytest.mark.parametrize("kernel", matrix.names())
def test_a_third_of_the_matrix(kernel: str) -> None:
    """Each scenario on some kernel; ``make fidelity`` runs them all."""
    everything = list(cells.of(cells.load(cells.names()), matrix.names()))
    judged.check(judged.found([pair for pair in cells.third(everything) if pair[1].kernel == kernel]))


def test_the_third_has_every_scenario_and_kernel() -> None:
    everything = list(cells.of(cells.load(cells.names()), matrix.names()))
    chosen = [cell for _, cell in cells.third(everything)]
    assert {cell.scenario for cell in chosen} == set(cells.names())
    assert {(cell.kernel, cell.cgroup) for cell in chosen} == {
        (cell.kernel, cell.cgroup) for _, cell in everything if cell.state == "run"
    }
    assert len(chosen) >= sum(cell.state == "run" for _, cell in everything) / 3


@pytest.mark.vm
@pytest.mark.first
@pytest.mark.parametrize("cgroup", ["v2", pytest.param("v1", marks=pytest.mark.long)])
def test_run_as_scripts_use_it(cgroup: str) -> None:
    promises.kept(RunSpec(cgroup=cgroup, cpus=1, timeout=3000), "sh tests/repro/guest_run.sh")


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("cgroup", ["v2", "v1"])
def test_where_no_limit_fits(cgroup: str) -> None:
    promises.kept(RunSpec(cgroup=cgroup, cpus=1, timeout=900), "sh tests/repro/guest_fit.sh")

"""In guests: a third of the matrix of scenarios and kernels, and ``oomtrace run`` as scripts use it."""

from __future__ import annotations

import pytest

from tests import promises
from vm import cells, matrix, scenario
from vm.cells import Cell
from vm.compare import Tally
from vm.spec import RunSpec

# Of a report that is not a memory cgroup's, the kernel reads each line's counters anew while other CPUs allocate.
GLOBAL_IDENTICAL = 0.99


@pytest.mark.vm
@pytest.mark.first
@pytest.mark.parametrize("kernel", matrix.names())
def test_a_third_of_the_matrix(kernel: str) -> None:
    """Each scenario on some kernel; ``make fidelity`` runs them all. One that was not perfect gets a second try: in a
    guest on a busy machine another process may be the first to ask for the last page."""
    everything = list(cells.of(cells.load(cells.names()), matrix.names()))
    chosen = [(which, cell) for which, cell in cells.third(everything) if cell.kernel == kernel]
    scenario.run_cells(chosen)
    again = [(which, Cell(cell.scenario, cell.item, cell.kernel, cell.cgroup)) for which, cell in chosen if _bad(cell)]
    scenario.show([cell for _, cell in chosen if _bad(cell)])
    found = [cell for _, cell in chosen if not _bad(cell)] + scenario.run_cells(again)
    bad = [cell for cell in found if _bad(cell)]
    scenario.show(bad)
    assert not bad
    other = Tally()
    for cell in found:
        other.add(cell.other)
    assert other.identical >= GLOBAL_IDENTICAL * other.lines, [one.by for one in other.differing]


def _bad(cell: Cell) -> bool:
    return bool(cell.state != "run" or cell.problems or cell.memcg.differing or cell.total.structural)


def test_the_third_has_every_scenario_and_kernel() -> None:
    everything = list(cells.of(cells.load(cells.names()), matrix.names()))
    chosen = [cell for _, cell in cells.third(everything)]
    assert {cell.scenario for cell in chosen} == set(cells.names())
    assert {(cell.kernel, cell.cgroup) for cell in chosen} == {
        (cell.kernel, cell.cgroup) for _, cell in everything if cell.state == "run"
    }
    assert len(chosen) >= sum(cell.state == "run" for _, cell in everything) / 3


@pytest.mark.vm
@pytest.mark.parametrize("cgroup", ["v2", pytest.param("v1", marks=pytest.mark.long)])
def test_run_as_scripts_use_it(cgroup: str) -> None:
    promises.kept(RunSpec(cgroup=cgroup, cpus=1, timeout=1500), "sh tests/repro/guest_run.sh")


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("cgroup", ["v2", "v1"])
def test_where_no_limit_fits(cgroup: str) -> None:
    promises.kept(RunSpec(cgroup=cgroup, cpus=1, timeout=900), "sh tests/repro/guest_fit.sh")

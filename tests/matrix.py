"""Cells of the matrix as tests run and judge them."""

from __future__ import annotations

from collections.abc import Sequence

from vm import scenario
from vm.cells import Cell, Scenario
from vm.compare import Tally

# Of a report that is not a memory cgroup's, the kernel reads each line's counters anew while other CPUs allocate: so
# many lines may differ, or this part of them.
OTHER_DIFFERING = 3
OTHER_DIFFERING_SHARE = 0.01


def found(chosen: Sequence[tuple[Scenario, Cell]]) -> list[Cell]:
    """What came of them. A bad one gets a second try: in a guest on a busy machine another process may be the first to
    ask for the last page."""
    scenario.run_cells(chosen)
    again = [(which, Cell(cell.scenario, cell.item, cell.kernel, cell.cgroup)) for which, cell in chosen if bad(cell)]
    scenario.show([cell for _, cell in chosen if bad(cell)])
    cells = [cell for _, cell in chosen if not bad(cell)] + scenario.run_cells(again)
    scenario.show([cell for cell in cells if bad(cell)])
    return cells


def bad(cell: Cell) -> bool:
    """Whether something is wrong with it, but for numbers in reports that are not a memory cgroup's."""
    return bool(cell.state != "run" or cell.problems or cell.memcg.differing or cell.total.structural)


def check(cells: Sequence[Cell]) -> None:
    """None is bad, and nearly all numbers of the other reports are the kernel's own."""
    assert not [cell for cell in cells if bad(cell)]
    other = Tally()
    for cell in cells:
        other.add(cell.other)
    few = max(OTHER_DIFFERING, OTHER_DIFFERING_SHARE * other.lines)
    assert len(other.differing) <= few, [one.by for one in other.differing]

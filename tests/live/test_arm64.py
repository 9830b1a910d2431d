"""The main promise on arm64: the same programs, with its registers, its call trace and its sizes of pages."""

from __future__ import annotations

import pytest

from vm import cells, matrix, scenario
from vm.cells import Cell

SHARED = ("anon", "group", "sysrq")  # of a memcg, of a group of tasks, of the whole machine: one guest has them all
KERNELS = [kernel.name for kernel in matrix.ARM64_KERNELS]


def _bad(found: list[Cell]) -> list[Cell]:
    bad = [cell for cell in found if not cell.perfect]
    scenario.show(bad)
    return bad


def test_one_guest_serves_for_three() -> None:
    chosen = [pair for pair in cells.of(cells.load(SHARED), ["6.12-arm64"]) if pair[1].state == "run"]
    assert len({cells.guest_for(*pair) for pair in chosen}) == 1 and len(chosen) == len(SHARED)


@pytest.mark.vm
def test_three_kinds_of_oom_are_identical() -> None:
    found = scenario.run_all(cells.load(SHARED), ["6.12-arm64"])
    assert [cell.reports for cell in found if cell.state == "run"] == [1, 1, 1]
    assert not _bad(found)


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kind_of_oom_is_identical(kernel: str) -> None:
    found = scenario.run_all(cells.load(cells.names()), [kernel])
    assert sum(cell.reports for cell in found) > len(cells.names()) // 2
    assert not _bad(found)

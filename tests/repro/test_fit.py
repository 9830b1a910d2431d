"""The bisection, with commands that need a known amount of memory."""

from __future__ import annotations

from typing import Optional

import pytest

from oomtrace.repro import fit
from oomtrace.repro.fit import Trial

MIB = 1 << 20


def needs(need_bytes: int, tried: "Optional[list[int]]" = None, slow_below: int = 0) -> "fit.Fit":
    def attempt(limit_bytes: int, bound_s: Optional[float]) -> Trial:
        if tried is not None:
            tried.append(limit_bytes)
        enough = limit_bytes >= need_bytes
        seconds = 5.0 if limit_bytes < slow_below else 1.0
        return Trial(limit_bytes, seconds, 0 if enough else 137, 0 if enough else 1)

    return fit.find(attempt, 8 * MIB, 256 * MIB)


@pytest.mark.parametrize("need_mib", [9, 40, 100, 200, 255])
def test_the_limit_found_is_enough_and_hardly_more(need_mib: int) -> None:
    tried: list[int] = []
    found = needs(need_mib * MIB, tried)
    assert found.smallest is not None and found.too_small is not None
    assert found.too_small.limit_bytes < need_mib * MIB <= found.smallest.limit_bytes
    assert found.smallest.limit_bytes - found.too_small.limit_bytes <= max(256 << 10, found.smallest.limit_bytes // 64)
    assert len(tried) <= 12
    assert all(limit % fit.GRAIN_BYTES == 0 for limit in tried)


def test_the_smallest_of_all_is_enough() -> None:
    found = needs(MIB)
    assert found.smallest is not None and found.smallest.limit_bytes == 8 * MIB
    assert found.too_small is None and len(found.trials) == 2


def test_none_is_enough() -> None:
    found = needs(300 * MIB)
    assert found.smallest is None and found.unhurried is None and len(found.trials) == 1


def test_where_it_thrashes_another_limit_is_better() -> None:
    found = needs(40 * MIB, slow_below=60 * MIB)
    assert found.smallest is not None and found.unhurried is not None
    assert found.smallest.limit_bytes < 42 * MIB and found.unhurried.limit_bytes >= 60 * MIB


@pytest.mark.parametrize("waited_s, best_mib", [(0.2, 40), (3.0, 128), (None, 128)])
def test_slow_for_another_reason_than_memory(waited_s: Optional[float], best_mib: int) -> None:
    found = fit.Fit((Trial(128 * MIB, 1.0, 0, 0, waited_s=0.0), Trial(40 * MIB, 5.0, 0, 0, waited_s=waited_s)))
    assert found.unhurried is not None and found.unhurried.limit_bytes == best_mib * MIB


def test_an_exit_status_of_0_is_not_enough_if_something_was_killed() -> None:
    assert not Trial(MIB, 1.0, 0, 1).succeeded
    assert not Trial(MIB, 1.0, 3, 0).succeeded
    assert not Trial(MIB, 1.0, 0, 0, stopped=True).succeeded
    assert Trial(MIB, 1.0, 0, 0).succeeded


@pytest.mark.parametrize("waited_s, tries", [(0.2, 2), (15.0, 1), (None, 1)])
def test_where_the_machine_stood_still_it_is_tried_again(waited_s: Optional[float], tries: int) -> None:
    low: list[Trial] = []

    def attempt(limit_bytes: int, bound_s: Optional[float]) -> Trial:
        if limit_bytes == 2 * MIB:
            return Trial(limit_bytes, 1.0, 0, 0)
        low.append(Trial(limit_bytes, 1.0, 0, 0) if low else Trial(limit_bytes, 20.0, 137, 0, True, waited_s))
        return low[-1]

    found = fit.find(attempt, 2 * MIB - fit.GRAIN_BYTES, 2 * MIB)
    assert len(low) == tries and len(found.trials) == 2
    assert found.trials[1].succeeded == (tries == 2)


def test_only_the_first_trial_has_no_bound() -> None:
    bounds: list[Optional[float]] = []

    def attempt(limit_bytes: int, bound_s: Optional[float]) -> Trial:
        bounds.append(bound_s)
        return Trial(limit_bytes, 2.0, 0, 0)

    fit.find(attempt, MIB, 2 * MIB)
    assert bounds == [None, 30.0]

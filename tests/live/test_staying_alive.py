"""oomtrace amid trouble, in guests: tests/guest/staying_alive.py says what is done and what must hold."""

from __future__ import annotations

import pytest

from vm import boot, matrix
from vm.spec import RunSpec

SCRIPT = "python3 tests/guest/staying_alive.py"


def _stay_alive(kernel: str, cases: tuple[str, ...], timeout: float, memory: int = 1 << 30) -> None:
    spec = RunSpec(kernel=kernel, memory=memory, timeout=timeout)
    result = boot.check(boot.run(spec, f"{SCRIPT} {' '.join(cases)}"))
    said = result.stdout.decode("utf-8", "replace") + result.stderr.decode("utf-8", "replace")
    assert result.status == 0, said
    assert [line for line in said.splitlines() if line.endswith(": ok")] == [f"{c.split('=')[0]}: ok" for c in cases]


@pytest.mark.vm
@pytest.mark.first
def test_staying_alive() -> None:
    cases = ("global=2", "stopped=5", "blocked", "full-disk", "two", "modules-cpus", "attach=5")
    _stay_alive("6.1", cases, 1200, 512 << 20)


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("kernel", matrix.names())
def test_staying_alive_in_full(kernel: str) -> None:
    _stay_alive(kernel, ("stopped=10", "blocked", "full-disk", "two", "modules-cpus"), 900)


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("kernel", matrix.names())
def test_attach_and_detach_200_times(kernel: str) -> None:
    _stay_alive(kernel, ("attach=200",), 2400)


@pytest.mark.vm
@pytest.mark.long
def test_a_small_machine_runs_out_of_memory() -> None:
    """Where what oomtrace has locked is a good part of it, and little is left for pages that it has not yet touched."""
    _stay_alive("6.1", ("global=5",), 600, 256 << 20)


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("kernel", matrix.names())
def test_the_machine_runs_out_of_memory_20_times(kernel: str) -> None:
    _stay_alive(kernel, ("global=20",), 1800, 512 << 20)


@pytest.mark.vm
@pytest.mark.long
def test_it_ends_soon_after_a_storm_if_it_is_asked_twice() -> None:
    _stay_alive("6.1", ("behind=10",), 600)

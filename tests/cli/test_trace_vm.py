"""In a guest: ``oomtrace trace`` as scripts use it; the oldest click and Python, too."""

from __future__ import annotations

import pytest

from tests import promises
from vm.spec import RunSpec


@pytest.mark.vm
@pytest.mark.parametrize("kernel", ["5.10", pytest.param("6.12", marks=pytest.mark.long)])
def test_trace_as_scripts_use_it(kernel: str) -> None:
    promises.kept(RunSpec(kernel=kernel, cpus=1, timeout=1500), "sh tests/cli/guest_trace.sh")

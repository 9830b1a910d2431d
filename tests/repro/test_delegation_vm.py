"""In a guest with a real systemd: ``oomtrace run`` has its cgroup under a scope that systemd made for it."""

from __future__ import annotations

import pytest

from tests import promises
from vm.spec import RunSpec


@pytest.mark.vm
def test_scope_of_systemds() -> None:
    spec = RunSpec(variant="systemd", cpus=1, timeout=1500)
    promises.kept(spec, "sh tests/repro/guest_delegation.sh")

"""A machine without bcc, clang and kernel headers: tracing, checking, reproducing work, by the programs shipped."""

from __future__ import annotations

import pytest

from vm import boot
from vm.spec import RunSpec


@pytest.mark.vm
@pytest.mark.parametrize("kernel", ["6.1"])
def test_everything_works_without_a_compiler(kernel: str) -> None:
    result = boot.check(boot.run(RunSpec(kernel=kernel, timeout=1500), "sh tests/guest/no_compiler.sh"))
    printed, said = result.stdout.decode(), result.stderr.decode()
    print(printed, said)
    assert result.status == 0
    assert said.count("oomtrace: shipped programs, kernel structures from BTF") == 0, "check is the first start"
    assert said.count("oomtrace: shipped programs, as kept in") == 2
    assert "those that oomtrace comes with; kept in" in printed and "it is not needed" in printed
    assert '"outcome": "expected"' in printed
    assert "Memory cgroup out of memory: Killed process" in printed
    assert "cannot be imported" in said and "Traceback" not in said

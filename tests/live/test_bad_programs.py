"""Programs and types that are damaged, foreign or refused: a sentence each, and no more is lost than must be."""

from __future__ import annotations

import json

import pytest

from oomtrace.errors import EXIT_NO_BCC, EXIT_NO_PROBE, EXIT_NO_TYPES, EXIT_TIMEOUT
from vm import boot
from vm.spec import RunSpec


@pytest.mark.vm
@pytest.mark.long
def test_programs_and_types_that_are_not_as_they_should_be() -> None:
    result = boot.check(boot.run(RunSpec(kernel="6.1", timeout=400), "python3 tests/guest/bad_programs.py"))
    assert result.status == 0, result.stderr.decode()
    found = json.loads(result.stdout)
    cases = {name: (case["status"], case["said"]) for name, case in found.items()}
    printed = {name: case["printed"] for name, case in found.items()}
    assert not [said for _, said in cases.values() if "Traceback" in said]

    # Here is no bcc to compile with; why it is wanted is said all the same.
    for name, why in (("damaged", "those shipped are damaged"), ("foreign", "those shipped are of another version")):
        status, said = cases[name]
        assert status == EXIT_NO_BCC and f"oomtrace: the programs are compiled here: {why}" in said, said

    status, said = cases["optional refused"]
    assert status == EXIT_TIMEOUT and "oomtrace: ready" in said, said
    assert "oomtrace: without show_stack (" in said and "invalid func" in said and "): the call trace" in said, said

    status, said = cases["optional part refused"]
    assert status == EXIT_TIMEOUT and "oomtrace: ready" in said, said
    assert "oomtrace: without send_python (" in said and "): which functions of Python" in said, said
    status, said = cases["optional part refused: check"]
    assert status == 1, said
    row = next(line for line in printed["optional part refused: check"].splitlines() if "send_python" in line)
    assert "invalid func" in row and "without it: which functions of Python" in row
    status, said = cases["trampoline refused"]
    told = "probe charge_every: a kprobe, which costs more: no BPF trampoline ("
    assert status == EXIT_TIMEOUT and told in said, said

    for name in ("necessary refused", "part refused"):
        status, said = cases[name]
        assert status == EXIT_NO_PROBE and "invalid func" in said and "hint: " in said, said
        assert "--compile" in said and "oomtrace: ready" not in said

    status, said = cases["types cut"]
    assert status == EXIT_NO_TYPES and "end too early" in said, said
    assert cases["types longer"][0] == EXIT_TIMEOUT, cases["types longer"]

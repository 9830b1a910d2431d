"""oomtrace.pyz, copied alone to a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from vm import boot
from vm.spec import RunSpec

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.vm
def test_commands_work_from_the_file_alone(pyz: Path) -> None:
    spec = RunSpec(kernel="6.1", timeout=1500, put=[pyz, ROOT / "vm" / "scenarios" / "anon.yaml"])
    result = boot.check(boot.run(spec, (ROOT / "tests" / "packaging" / "guest_pyz.sh").read_text()))
    said = result.stdout.decode("utf-8", "replace")
    print(said, result.stderr.decode("utf-8", "replace"))
    lines = said.splitlines()
    assert "without it: ModuleNotFoundError: No module named 'click'" in lines, said
    for line in ("check: 0", "run: 0", "first trace: 0", "second trace: 0", "repro: 0"):
        assert line in lines, said
    for start in ("first", "second"):
        identical = next(line for line in lines if line.startswith(f"{start}: oomtrace: verify: "))
        assert "lines identical to the kernel's log" in identical, identical
    assert "reached its memory limit of 32.0 MiB" in said

"""The service under a real systemd, as docs/service.md has it: captures, journal, restart, and nothing left behind."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import pages
from tests.sdk import sdk
from vm import boot
from vm.spec import RunSpec

OOMS = 3  # tests/guest/service.sh makes so many, and keeps two captures
# What the unit leaves to root: CAP_DAC_OVERRIDE (the drop-in for counters), CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN,
# CAP_SYS_RESOURCE, CAP_SYSLOG, CAP_PERFMON, CAP_BPF
CAPABILITIES = sum(1 << number for number in (1, 6, 7, 21, 24, 34, 38, 39))


@pytest.mark.vm
def test_service() -> None:
    _service()


@pytest.mark.vm
@pytest.mark.long
def test_service_with_a_collector(tmp_path: Path) -> None:
    (tmp_path / "otlp").mkdir()
    lines = _service(*_drop_ins(), put=[sdk(tmp_path / "otlp")])
    assert lines.count("otlp: oomtrace oomtrace.oom tail") == OOMS
    assert lines.count("otlp: oomtrace oomtrace.killed python3") == 1


def _drop_ins() -> list[str]:
    """How docs/hooks.md and docs/metrics.md have them put in."""
    return [block.text for block in pages.of("by") if block.page in ("docs/hooks.md", "docs/metrics.md")
            and block.name == "tests/check/test_service_vm.py"]


def _service(*drop_ins: str, put: Sequence[Path] = ()) -> list[str]:
    """``drop_ins``: commands that put them in; left out, they are there from the start."""
    (service,) = [block for block in pages.of("by") if block.page == "docs/service.md"]
    spec = RunSpec(kernel="6.1", variant="systemd", cpus=1, timeout=1200, put=put)
    start, look = re.split(r"# … an OOM …\n", service.text)
    result = boot.check(boot.run(spec, ["sh", "tests/guest/service.sh", start, look, *drop_ins]))
    said = result.stdout.decode("utf-8", "replace")
    assert result.status == 0, said + result.stderr.decode()
    lines = said.splitlines()
    for line in ("active: active", "enabled: enabled", "adj: -1000", "kept: 600", "after a kill: active",
                 "stopped: success", "kprobes left: 0", f"capabilities: CapEff:{CAPABILITIES:016x}"):
        assert line in lines, said
    looked = "".join(line[len("look: "):] + "\n" for line in lines if line.startswith("look: "))
    assert looked.count(" OOMTRACE_VICTIM=tail\n") == OOMS and "MESSAGE_ID=" in looked
    assert looked.count("reached its memory limit of 24.0 MiB") >= OOMS + 2  # the journal's headlines, the captures'
    assert int(next(line for line in lines if line.startswith("locked: ")).split()[2]) > 0
    entries = [json.loads(line.partition(" ")[2]) for line in lines if line.startswith("entry: ")]
    assert [entry["OOMTRACE_VICTIM"] for entry in entries] == ["tail"] * OOMS
    assert [entry["OOMTRACE_MEMCG"].rpartition("/")[2] for entry in entries] == [
        f"victim@{number}.service" for number in range(1, OOMS + 1)
    ]
    assert lines.count("hook: tail 0 0 1") == OOMS, said  # each OOM runs the hook, as an ordinary process
    assert lines.count("hook: systemd SIGKILL python3 0 0 1") == 1, said  # and so does a kill by another
    told = [line for line in lines if line.startswith("systemd-cat: ")]  # by the hook deploy/hooks/journal
    assert len([line for line in told if "reached its memory limit of 24.0 MiB" in line]) == OOMS, said
    assert any(line.startswith('metric: oomtrace_kills_by_others_total{kind="systemd",unit="nearly.service"} 1')
               for line in lines), "which is no OOM"
    metrics = [line for line in lines if line.startswith("metric: oomtrace_ooms_total")]
    assert len(metrics) == OOMS and all("victim@" in line and line.endswith(" 1") for line in metrics)
    captures = [line.split() for line in lines if line.startswith("capture: ")]
    assert [mode for _, mode, _ in captures] == ["600", "600"]
    assert {path for _, _, path in captures} == {entry["OOMTRACE_CAPTURE"] for entry in entries[1:]}
    return lines

"""``oomtrace check`` on machines of all kinds: it never fails itself, and its verdict follows from its rows."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from oomtrace import cli, diagnosis
from oomtrace.diagnosis import CheckRow, ProbeRow, compiler, probing, settings
from oomtrace.diagnosis.rows import DEGRADED, IMPOSSIBLE, INFO, OK, Diagnosis, listed
from oomtrace.errors import OomtraceError
from oomtrace.kernel import surroundings
from oomtrace.kernel.probes import PROBES, Target
from oomtrace.kernel.symbols import Symbols

NEEDED = PROBES[-1]
USEFUL = next(probe for probe in PROBES if probe.loses and not probe.optional)
OPTIONAL = next(probe for probe in PROBES if probe.optional)


def test_verdict_is_that_of_the_worst() -> None:
    def verdict(*states: str) -> int:
        return Diagnosis(tuple(CheckRow("x", state, "") for state in states), ()).exit_status

    assert [verdict(), verdict(OK, INFO), verdict(OK, DEGRADED), verdict(DEGRADED, IMPOSSIBLE, OK)] == [0, 0, 1, 2]
    assert Diagnosis((), (ProbeRow("x", None, DEGRADED),)).state == DEGRADED


def test_what_a_probe_costs() -> None:
    assert probing.row(Target(NEEDED, "out_of_memory"), None).state == OK
    assert probing.row(Target(NEEDED, "out_of_memory"), "Invalid argument").state == IMPOSSIBLE
    lost = probing.row(Target(USEFUL, None), None)
    assert (lost.state, lost.loses) == (DEGRADED, USEFUL.loses)
    assert USEFUL.functions[0] in (lost.reason or "")
    assert probing.row(Target(OPTIONAL, None), None).state == INFO
    assert probing.row(Target(USEFUL, "f"), None, tried=False).state == INFO


def test_a_kernel_without_trampolines_says_what_costs_more() -> None:
    target = Target(NEEDED, "out_of_memory")
    assert probing.trampolines([target], []).state == OK
    for missing in (probing.trampolines([], [(target, "Operation not supported")]), probing.trampolines([], [])):
        assert missing.state == INFO and "kprobes" in missing.found and "--charges every" in (missing.hint or "")
    assert "(Operation not supported)" in probing.trampolines([], [(target, "Operation not supported")]).found


def test_here_it_comes_to_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", "--format", "json"])
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "oomtrace-check/1"
    assert ended.value.code == {"ok": 0, "degraded": 1, "impossible": 2}[said["state"]]
    assert {"kernel", "privileges", "types", "lockdown", "cgroups", "bcc"} <= {row["name"] for row in said["checks"]}
    assert not any("the check failed" in row["found"] for row in said["checks"])


def test_elsewhere_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SystemExit) as ended:
        cli.main(["check"])
    said = capsys.readouterr().out
    assert ended.value.code == 2 and "tracing needs Linux" in said and "Traceback" not in said


def test_a_check_that_fails_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_facts: dict[str, Any]) -> CheckRow:
        raise ZeroDivisionError("oh")

    def refused(_facts: dict[str, Any]) -> CheckRow:
        raise OomtraceError("no", "but")

    def no_probes(*_: Any) -> Any:
        raise BrokenPipeError("gone")

    looks = (("a", broken), ("b", refused), ("c", lambda _facts: CheckRow("c", OK, "fine")))
    monkeypatch.setattr(settings, "LOOKS", looks)
    monkeypatch.setattr(probing, "probes", no_probes)
    found = diagnosis.diagnose()
    assert [(row.name, row.state) for row in found.rows] == [
        ("a", DEGRADED), ("b", IMPOSSIBLE), ("c", OK), ("probes", DEGRADED),
    ]


def test_bcc_of_pypi_is_told_from_the_right_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bcc.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("OOMTRACE_COMPILE", "1")
    assert "not the BPF Compiler Collection" in compiler.look({}).found
    (tmp_path / "bcc.py").write_text("import nothing_of_this_name")
    broken = compiler.look({})
    assert broken.state == IMPOSSIBLE and "nothing_of_this_name" in broken.found and "python3-bpfcc" in str(broken.hint)
    (tmp_path / "bcc.py").write_text("import os; os.abort()")
    assert compiler.look({}).state == IMPOSSIBLE


def test_bcc_is_needed_only_where_the_shipped_programs_do_not_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bcc.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(str(tmp_path))
    types = tmp_path / "vmlinux"
    types.write_bytes(b"")
    monkeypatch.setenv("OOMTRACE_BTF", str(types))
    found = compiler.look({})
    if os.uname().machine == "x86_64":
        assert found.state == INFO and "it is not needed" in found.found
    types.unlink()
    found = compiler.look({})
    assert found.state == IMPOSSIBLE and f"it is needed: there is no BTF at {types}" in found.found


@pytest.mark.parametrize("name", ["bcc", "json"])
def test_bcc_is_not_taken_from_the_current_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{name}.py").write_text("open('imported', 'w')")
    monkeypatch.chdir(tmp_path)
    compiler.look({})
    assert not (tmp_path / "imported").exists()


def test_versions_of_bcc() -> None:
    assert compiler.problem("0.26.0") is None and compiler.problem("0.31.0+ds") is None
    assert "older" in str(compiler.problem("0.9.0")) and "newer" in str(compiler.problem("0.37"))
    assert compiler.problem("unknown") is None and compiler.problem(None) is None


def test_settings_of_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "lockdown"
    monkeypatch.setattr(surroundings, "LOCKDOWN", state)
    assert settings.lockdown({}).state == OK
    state.write_text("none integrity [confidentiality]\n")
    assert settings.lockdown({}).state == IMPOSSIBLE
    state.write_text("none [integrity] confidentiality\n")
    assert settings.lockdown({}).state == OK
    monkeypatch.setattr(surroundings, "KPROBE_PMU", tmp_path / "none")
    assert settings.kprobes({}).state == IMPOSSIBLE


def test_cgroup_mounts(tmp_path: Path) -> None:
    unified = tmp_path / "unified"
    unified.mkdir()
    (unified / "cgroup.controllers").write_text("cpu memory\n")
    mounts = tmp_path / "mounts"
    mounts.write_text(f"x /a cgroup rw,memory 0 0\nx /b cgroup rw,cpu 0 0\nx {unified} cgroup2 rw 0 0\nodd\n")
    assert surroundings.cgroups(mounts) == {"v1 at /a": True, f"v2 at {unified}": True}
    assert surroundings.cgroups(tmp_path / "nothing") == {}


def test_lists_for_people() -> None:
    assert [listed(["a", "b", "c"][:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize("exported, state, hint", [
    ({"vm_node_stat": 1}, INFO, "counts of events"), ({}, DEGRADED, "CONFIG_PROC_KCORE")
])
def test_a_kernel_that_lists_functions_alone(
    exported: "dict[str, int]", state: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "base_address", lambda: 1)
    monkeypatch.setattr(settings.Symbols, "load", lambda: Symbols(b"ffffffff81000000 T _stext\n"))
    monkeypatch.setattr(settings.ksymtab, "addresses", lambda *_: exported)
    found = settings.symbols({})
    assert found.state == state and "CONFIG_KALLSYMS_ALL=n" in found.found and hint in str(found.hint)

"""Which capabilities are there, and the error that names what is missing."""

from __future__ import annotations

from errno import EACCES, ENOENT, EPERM
from pathlib import Path
from typing import Optional

import pytest

from oomtrace.errors import EXIT_NOT_ROOT, OomtraceError
from oomtrace.kernel import privileges, surroundings

ALL = frozenset(need.capability for need in privileges.NEEDS)


@pytest.fixture(autouse=True)
def initial_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "in_user_namespace", lambda: False)


def _status(tmp_path: Path, bits: int) -> Path:
    path = tmp_path / "status"
    path.write_text(f"Name:\tx\nCapPrm:\tffffffffffffffff\nCapEff:\t{bits:016x}\n")
    return path


def test_effective_capabilities(tmp_path: Path) -> None:
    assert privileges.effective(_status(tmp_path, 0)) == frozenset()
    assert privileges.effective(_status(tmp_path, 1 << 39 | 1 << 34)) == {"CAP_BPF", "CAP_SYSLOG"}
    # Kernels before 5.8 know no CAP_BPF; all later ones take CAP_SYS_ADMIN for it.
    assert privileges.effective(_status(tmp_path, 1 << 21)) == {"CAP_SYS_ADMIN", "CAP_BPF", "CAP_PERFMON"}


def test_without_proc_root_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert privileges.effective(tmp_path / "none") == frozenset(privileges.NUMBERS)
    monkeypatch.setattr("os.geteuid", lambda: 1)
    assert privileges.effective(tmp_path / "none") == frozenset()


@pytest.mark.parametrize("capability", ["CAP_BPF", "CAP_PERFMON"])
def test_what_nothing_works_without_is_named(capability: str) -> None:
    with pytest.raises(OomtraceError, match=capability) as caught:
        privileges.require(ALL - {capability})
    others = {"CAP_BPF", "CAP_PERFMON"} - {capability}
    assert caught.value.status == EXIT_NOT_ROOT and not any(name in caught.value.message for name in others)
    assert caught.value.hint and "sudo" in caught.value.hint


def test_what_costs_only_a_part_is_let_through() -> None:
    privileges.require(frozenset({"CAP_BPF", "CAP_PERFMON"}))
    assert {need.capability for need in privileges.missing(ALL - {"CAP_SYSLOG"})} == {"CAP_SYSLOG"}


def test_root_of_a_user_namespace_is_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(privileges, "in_user_namespace", lambda: True)
    with pytest.raises(OomtraceError, match="user namespace"):
        privileges.require(ALL)


def test_user_namespaces_show_in_their_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    ids = tmp_path / "uid_map"
    ids.write_text("         0          0 4294967295\n")
    assert not privileges.in_user_namespace(ids)
    ids.write_text("         0       1000          1\n")
    assert privileges.in_user_namespace(ids) and not privileges.in_user_namespace(tmp_path / "none")


@pytest.mark.parametrize("number, paranoid, lacks, named", [
    (EACCES, 3, "CAP_SYS_ADMIN", "CAP_SYS_ADMIN"),
    (EACCES, 2, "CAP_SYS_ADMIN", None),
    (EACCES, None, "CAP_SYS_ADMIN", None),
    (EPERM, 3, "CAP_SYS_RESOURCE", "CAP_SYS_RESOURCE"),
    (ENOENT, 3, "CAP_SYS_RESOURCE", None),
])
def test_refusals_are_explained(
    monkeypatch: pytest.MonkeyPatch, number: int, paranoid: Optional[int], lacks: str, named: Optional[str]
) -> None:
    held = frozenset(privileges.NUMBERS) - {lacks}
    monkeypatch.setattr(surroundings, "sysctl", lambda _name: paranoid)
    monkeypatch.setattr(privileges, "effective", lambda: held)
    found = privileges.explained(OSError(number, "refused"))
    assert (found is None) == (named is None) and (named is None or named in str(found))

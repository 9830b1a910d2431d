"""Plans that are kept: what is left in the folder."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from oomtrace import begin
from oomtrace.kernel import privileges
from oomtrace.programs import keep, make, prebuilt
from oomtrace.programs.image import Image, MapSpec, Program
from oomtrace.programs.plan import SHIPPED, Plan

PLAN = Plan(
    image=Image((MapSpec("m", 4, 4, 4, 0, 0),), (Program("p", b"12345678", {0: "m"}, {3: 1}),), ("OFF a.b",)),
    programs=SHIPPED,
    targets=("f", None),
    entries=(7, None),
    type_ids=(None, 9),
    addresses={1: 5},
    base=4,
    facts={"page_kb": 4},
    missing=("symbol x",),
    origin="BTF",
    lost=(),
)


def _kept(folder: Path, number: int) -> Path:
    return folder / f"6.{number}.0-amd64-{number:016x}.json"


def test_a_saved_plan_is_loaded_again(tmp_path: Path) -> None:
    path = _kept(tmp_path / "cache", 1)
    keep._save(path, PLAN)
    assert keep._load(path) == PLAN


def test_a_full_disk_keeps_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_text

    def half(self: Path, text: str) -> int:
        write(self, text[: len(text) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    keep._save(_kept(tmp_path, 1), PLAN)
    assert list(tmp_path.iterdir()) == []


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    other = tmp_path / "settings.json"
    other.write_text("{}")
    os.utime(other, (1, 1))
    for number in range(12):
        path = _kept(tmp_path, number)
        path.write_text("{}")
        os.utime(path, (100 - number, 100 - number))
    keep._save(_kept(tmp_path, 20), PLAN)
    expected = [other, *(_kept(tmp_path, number) for number in (*range(7), 20))]
    assert sorted(tmp_path.iterdir()) == sorted(expected)


@pytest.fixture
def first_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A kernel that was not traced before, with types; a list for what is said."""
    types = tmp_path / "vmlinux"
    types.write_bytes(b"")
    monkeypatch.setenv("OOMTRACE_BTF", str(types))
    monkeypatch.setenv("OOMTRACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OOMTRACE_COMPILE", raising=False)
    monkeypatch.setattr(privileges, "require", lambda: None)
    monkeypatch.setattr(keep, "_base", lambda: 4)
    return []


def test_a_plan_is_made_ahead(first_start: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "make_shipped", lambda _base: replace(PLAN, facts={"pid": os.getpid()}))
    keep.ahead()
    plan, base = keep.get(first_start.append)
    assert (base, plan.targets) == (4, PLAN.targets) and plan.facts["pid"] != os.getpid()
    assert first_start[0] == "oomtrace: shipped programs, kernel structures from BTF"
    keep.ahead()  # none is begun: one is kept
    assert keep.get(first_start.append)[0] == plan
    assert first_start[-1] == f"oomtrace: shipped programs, as kept in {keep.kept()}"


def test_another_process_may_want_it(first_start: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`oomtrace run` traces in a child of its own."""
    monkeypatch.setattr(make, "make_shipped", lambda _base: PLAN)
    keep.ahead()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            status = int(keep.get(first_start.append)[0].targets != PLAN.targets)
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


def test_what_cannot_be_made_ahead_is_made_where_it_can_be_told(
    first_start: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    me = os.getpid()

    def made(_base: int) -> Plan:
        if os.getpid() != me:
            raise prebuilt.Unfit("not here")
        return PLAN

    monkeypatch.setattr(make, "make_shipped", made)
    keep.ahead()
    assert keep.get(first_start.append)[0] == PLAN


@pytest.mark.parametrize(("arguments", "traces"), [
    ([], True), (["trace", "--once"], True), (["--once"], True), (["--debug", "run", "--", "true"], False),
    (["run", "true"], False),
    (["--debug"], True), (["read", "a.log"], False), (["--version"], False), (["trace", "--help"], False),
    (["trace", "--compile"], False), (["check"], False),
])
def test_what_is_begun_ahead(arguments: list[str], traces: bool) -> None:
    assert begin._traces(arguments) is traces

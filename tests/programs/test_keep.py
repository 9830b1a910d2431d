"""Plans that are kept: what is left in the folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from oomtrace.programs import keep
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

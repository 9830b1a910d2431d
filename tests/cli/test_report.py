"""Where captures go: no name that a process or a cgroup gives itself leads anywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomtrace.cli.report import capture_path
from oomtrace.model import Kill, Memcg, OomEvent

EVIL = ("../../etc/passwd", "/", "..", ".", "a\0b", "\udcff\x1b[2J", "~", "a" * 5000)
NAMES = st.one_of(st.text(), st.sampled_from(EVIL))


@given(NAMES, NAMES)
def test_names_do_not_lead_out_of_the_folder(tmp_path_factory: pytest.TempPathFactory, memcg: str, comm: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "captures"
    path = capture_path(f"{folder}/", OomEvent(memcg=Memcg(path=memcg), kills=(Kill(1, comm),)), 1)
    assert path.parent == folder and path.suffix == ".oom" and len(path.name) < 256
    assert path.name.isascii() and set(path.stem) <= set("-_") | {c for c in path.stem if c.isalnum()}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_later_captures_get_a_number(tmp_path: Path) -> None:
    names = [capture_path(str(tmp_path / "x.oom"), OomEvent(), number).name for number in (1, 2, 3)]
    assert names == ["x.oom", "x.2.oom", "x.3.oom"]

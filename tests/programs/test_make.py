"""Which programs a plan is made of, and what is said when those that are shipped do not serve."""

from __future__ import annotations

from pathlib import Path

import pytest

from oomtrace.programs import make, prebuilt
from oomtrace.programs.image import Image

COMPILED = object()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is said; a machine that has BTF (which nobody reads), and a compiler."""
    types = tmp_path / "vmlinux"
    types.write_bytes(b"")
    monkeypatch.setenv("OOMTRACE_BTF", str(types))
    monkeypatch.setattr(make, "_make_compiled", lambda _base, _say: COMPILED)
    return []


def test_shipped_programs_come_first(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = object()
    monkeypatch.setattr(make, "make_shipped", lambda _base: shipped)
    assert make.make(0, False, said.append) is shipped
    assert make.make(0, True, said.append) is COMPILED, "--compile"
    assert not said


def test_without_btf_they_are_compiled_and_it_is_said_why(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OOMTRACE_BTF", "/nonexistent")
    assert make.make(0, False, said.append) is COMPILED
    assert said == ["oomtrace: the programs are compiled here: there is no BTF at /nonexistent"]


def test_an_unfit_file_is_a_reason_to_compile(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def unfit() -> Image:
        raise prebuilt.Unfit("those shipped are damaged")

    monkeypatch.setattr(prebuilt, "load", unfit)
    assert make.make(0, False, said.append) is COMPILED
    assert said == ["oomtrace: the programs are compiled here: those shipped are damaged"]

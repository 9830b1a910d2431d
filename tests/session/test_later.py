"""Copies of stacks in a capture are made into frames where it is read."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oomtrace import code
from oomtrace.model import Code, CodeFrame, CodeStack
from oomtrace.session import later
from oomtrace.wire import capture
from tests.codes import CODE

FILE = Path(__file__).resolve().parents[1] / "fixtures" / "data" / "6.1-memcg-v2.oom"
NAMELESS = Code((CodeFrame(None, "/opt/shop", 16),), (CodeStack((0,)),))


def held(found: Any, raw: Any) -> capture.Capture:
    return replace(capture.load(io.BytesIO(FILE.read_bytes())), code=found, raw=raw)


def test_what_names_more_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "resolve_apart", lambda raw: CODE)
    assert later.resolved(held(NAMELESS, {"machine": "x86_64"})) == CODE
    assert later.resolved(held(None, {"machine": "x86_64"})) == CODE
    monkeypatch.setattr(code, "resolve_apart", lambda raw: NAMELESS)
    assert later.resolved(held(CODE, {"machine": "x86_64"})) == CODE


def test_without_copies_it_is_as_it_was_found() -> None:
    assert later.resolved(held(CODE, None)) == CODE


@pytest.mark.parametrize("raw", [7, [], {"samples": 7}, {"asker": {"stack": {"registers": "?"}}}])
def test_senseless_copies_cost_nothing(raw: Any) -> None:
    assert later.resolved(held(CODE, raw)) == CODE

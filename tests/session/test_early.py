"""What a trace has begun before its options are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Callable, Optional

import pytest

from oomtrace.errors import OomtraceError
from oomtrace.kernel import privileges
from oomtrace.programs import keep
from oomtrace.session import early
from oomtrace.session.options import TraceOptions

OPTIONS = TraceOptions()


class Plan:
    image = None

    def at(self, _base: int) -> dict[int, int]:
        return {}

    def targets_at(self, _base: int) -> tuple[Any, ...]:
        return ()


class Tracer:
    """Has loaded all that it is asked to."""

    made: "list[Tracer]" = []

    def __init__(self, *_: Any) -> None:
        self.closed = self.went_on = False
        Tracer.made.append(self)

    def load_ahead(self, _targets: Any, go_on: Callable[[], bool]) -> None:
        self.went_on = go_on()

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One where somebody may trace, and a plan is kept."""
    def at_hand(say: Callable[[str], None]) -> tuple[Optional[Any], int]:
        say("as kept")
        return Plan(), 4

    monkeypatch.setattr(privileges, "require", lambda: None)
    monkeypatch.setattr(keep, "at_hand", at_hand)
    monkeypatch.setattr(early, "Tracer", Tracer)
    Tracer.made.clear()
    yield
    early.taken()


def test_the_plan_and_its_programs_are_there_when_they_are_wanted() -> None:
    said: list[str] = []
    early.begin()
    begun = early.taken()
    assert begun is not None and early.taken() is None
    found = begun.plan(said.append)
    assert found is not None and found[1] == 4 and said == ["as kept"]
    made: Any = begun.tracer(OPTIONS)
    assert [made] == Tracer.made and not made.closed
    assert begun.tracer(OPTIONS) is None, "it is given away once"


@pytest.mark.parametrize("options", [replace(OPTIONS, stacks="on"), replace(OPTIONS, buffer_bytes=1 << 20)])
def test_other_maps_and_buffers_are_made_anew(options: TraceOptions) -> None:
    early.begin()
    begun = early.taken()
    assert begun is not None and begun.plan(lambda _: None)
    assert begun.tracer(options) is None and Tracer.made[0].closed


def test_what_fails_early_is_left_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise OomtraceError("no", None, 1)

    monkeypatch.setattr(early, "Tracer", refused)
    early.begin()
    begun = early.taken()
    assert begun is not None and begun.plan(lambda _: None) and begun.tracer(OPTIONS) is None
    monkeypatch.setattr(keep, "at_hand", refused)
    early.begin()
    begun = early.taken()
    assert begun is not None and begun.plan(lambda _: None) is None
    monkeypatch.setattr(privileges, "require", refused)
    early.begin()
    assert early.taken() is None

"""What ``oomtrace trace`` says at the end, and its exit status, with a trace that is made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

from oomtrace import cli
from oomtrace.cli import trace as module
from oomtrace.errors import EXIT_FAILURE, EXIT_TIMEOUT
from oomtrace.session.receive import Traced
from tests.events import made


class FakeTrace:
    """Gives so many OOMs, tells then that it is ``behind``, and leaves so many out."""

    probes = received = lost = failed_charges = unreported_kills = looks = 0

    def __init__(self, ooms: int, behind: Optional[int], left_out: int) -> None:
        self._ooms, self._behind, self.left_out = ooms, behind, left_out

    def events(
        self, _deadline: Optional[float], _killed: object, _doomed: object, behind: Callable[[int], None]
    ) -> Iterator[Traced]:
        for _ in range(self._ooms):
            yield Traced(made(), lambda: b"capture")
        if self._behind is not None:
            behind(self._behind)

    def close(self) -> None:
        """Nothing."""


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs the command; returns its exit status and what it says."""

    def run(*arguments: str, ooms: int = 1, behind: Optional[int] = None, left_out: int = 0) -> tuple[int, str]:
        class Started:
            start = staticmethod(lambda *_: FakeTrace(ooms, behind, left_out))

        monkeypatch.setattr(module, "LiveTrace", Started)
        with pytest.raises(SystemExit) as ended:
            cli.main(["trace", "--quiet", *arguments])
        status: Any = ended.value.code
        return status, capfd.readouterr().err

    return run


Run = Callable[..., tuple[int, str]]


def test_one_that_is_not_behind(traced: Run) -> None:
    assert traced(ooms=2) == (0, "oomtrace: ready (0 probes)\noomtrace: 2 OOMs\n")


def test_one_that_is_behind_and_is_waited_for(traced: Run) -> None:
    status, said = traced(behind=312)
    assert "oomtrace: 312 reports still to be written; another Ctrl-C (SIGINT or SIGTERM) leaves them out\n" in said
    assert status == 0 and said.endswith("\noomtrace: 1 OOM\n")


def test_what_is_left_out_is_told(traced: Run, tmp_path: Path) -> None:
    """Of an output too, that is finished all the same."""
    status, said = traced("--output", f"{tmp_path}/page.html", behind=312, left_out=298)
    assert said.endswith("\noomtrace: 1 OOM, 298 more not written, since another signal came\n")
    assert status == EXIT_FAILURE
    assert (tmp_path / "page.html").read_text().rstrip().endswith("</html>")


def test_what_is_left_out_has_come_in_time(traced: Run) -> None:
    assert traced("--timeout", "60", ooms=0)[0] == EXIT_TIMEOUT
    assert traced("--timeout", "60", ooms=0, left_out=3)[0] == EXIT_FAILURE

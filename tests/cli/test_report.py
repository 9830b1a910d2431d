"""Where captures go, and what becomes of an event of which some of that fails."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomtrace import tell
from oomtrace.cli.report import Outlets, Sink
from oomtrace.cli.target import OutputTarget
from oomtrace.errors import EXIT_FAILURE
from oomtrace.model import Kill, Memcg, OomEvent, Reap, Wait
from oomtrace.session.receive import Traced
from oomtrace.session.verify import Comparison
from oomtrace.tell import journald
from oomtrace.wire import capture
from tests.codes import CODE
from tests.events import changed, made

EVIL = ("../../etc/passwd", "/", "..", ".", "a\0b", "\udcff\x1b[2J", "~", "a" * 5000)
NAMES = st.one_of(st.text(), st.sampled_from(EVIL))


@given(NAMES, NAMES)
def test_names_do_not_lead_out_of_the_folder(tmp_path_factory: pytest.TempPathFactory, memcg: str, comm: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "captures"
    path = OutputTarget(f"{folder}/").path(made(memcg=Memcg(path=memcg), kills=(Kill(1, comm),)), 1)
    assert path.parent == folder and path.suffix == ".oom" and len(path.name) < 256
    assert path.name.isascii() and set(path.stem) <= set("-_") | {c for c in path.stem if c.isalnum()}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_later_captures_get_a_number(tmp_path: Path) -> None:
    names = [OutputTarget(str(tmp_path / "x.oom")).path(OomEvent(), number).name for number in (1, 2, 3)]
    assert names == ["x.oom", "x.2.oom", "x.3.oom"]


class Log:
    """A kernel's log without any report."""

    def check(self, _event: OomEvent) -> Comparison:
        return Comparison(0, 0, ())


def sink(stream: Any, said: list[str], **options: Any) -> Sink:
    log = options.pop("log", None)
    return Sink(stream, Outlets("kernel", **options), said.append, log)


def traced(event: OomEvent) -> Traced:
    return Traced(event, lambda: b"capture")


def oom() -> OomEvent:
    with (Path(__file__).parents[1] / "fixtures/data/6.1-memcg-v2.oom").open("rb") as stream:
        (event,) = capture.events(capture.load(stream))
    return event


def test_a_capture_that_cannot_be_written_takes_nothing_along(tmp_path: Path) -> None:
    """Neither the report nor the trace, be it the first OOM or a later one."""
    target = OutputTarget(str(tmp_path / "gone" / "x.oom"))
    said: list[str] = []
    stream = io.BytesIO()
    taking = sink(stream, said, target=target)
    taking.take(traced(oom()))
    taking.close()
    assert b"Killed process" in stream.getvalue() and taking.status == 1
    assert len(said) == 1 and "cannot write the capture" in said[0] and "No such file" in said[0]


def test_a_journal_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(journald.JournalSocket.__init__, "__defaults__", (str(tmp_path / "none"),))
    said: list[str] = []
    taking = sink(io.BytesIO(), said, channels=tell.opened({"journald": True}))
    taking.take(traced(oom()))
    taking.take(traced(oom()))
    assert taking.status == 1 and len(said) == 1 and "cannot write to the journal" in said[0]


def test_reports_that_nobody_got_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oomtrace.cli.relay.CLOSING_S", 60.0)  # the thread that writes may be late for a CPU
    said: list[str] = []
    with open("/dev/full", "w") as full:
        taking = sink(full, said)
        taking.take(traced(oom()))
        taking.close()
    assert taking.status == 1 and said[-1] == "oomtrace: 1 report not written"


@pytest.mark.parametrize(
    ("unprinted", "is_oom", "status"), [(None, True, 1), ("rate limit", True, 0), (None, False, 0)]
)
def test_a_report_that_the_log_does_not_have(unprinted: Optional[str], is_oom: bool, status: int) -> None:
    event = changed(oom(), unprinted_reason=unprinted, wait=None if is_oom else Wait(over=True, time_ns=1))
    said: list[str] = []
    taking = sink(io.BytesIO(), said, log=Log())
    taking.take(traced(event))
    assert taking.status == status and bool(said) is is_oom


def test_a_report_is_out_when_the_kill_is_over() -> None:
    stream, said = io.BytesIO(), []  # type: ignore[var-annotated]
    event = oom()
    whole = changed(event, reaps=(Reap(event.report.kills[0].pid, "hog", True, 0, 4, 0, 5),))
    other = changed(event, oom_id=1)
    target = sink(stream, said)
    target.killed(event)
    report = stream.getvalue()
    assert report.endswith(b"oom_score_adj:0\n")
    target.killed(other)
    target.take(traced(whole))
    after = stream.getvalue()[2 * len(report):]
    assert after == b"oom_reaper: reaped process %d (hog), now anon-rss:0kB, file-rss:4kB, shmem-rss:0kB\n" % (
        event.report.kills[0].pid)
    target.take(traced(other))
    assert stream.getvalue() == report + report + after
    target.killed(event)
    target.take(traced(changed(event, stack=None)))  # not what was written: then it comes whole
    assert stream.getvalue().count(b"invoked oom-killer") == 4


@pytest.mark.parametrize("form", ["text", "why", "jsonl"])
def test_what_explains_waits_for_the_memory(form: str) -> None:
    stream = io.BytesIO()
    target = Sink(stream, Outlets(form), lambda _: None)  # type: ignore[arg-type]
    target.killed(oom())
    assert not stream.getvalue()
    target.take(traced(oom()))
    assert stream.getvalue()


@pytest.mark.parametrize("name, starts", [("x.folded", b"catalog (158);"), ("x.pb.gz", b"\x1f\x8b")])
def test_one_file_of_all_stacks(tmp_path: Path, name: str, starts: bytes) -> None:
    said: list[str] = []
    made_sink = sink(io.StringIO(), said, target=OutputTarget(str(tmp_path / name)))
    for event in (made(code=CODE), made(code=CODE)):
        made_sink.take(traced(event))
    made_sink.close()
    assert (tmp_path / name).read_bytes().startswith(starts) and not said
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_a_file_of_stacks_where_there_are_none(tmp_path: Path) -> None:
    said: list[str] = []
    made_sink = sink(io.StringIO(), said, target=OutputTarget(str(tmp_path / "x.folded")))
    made_sink.take(traced(made()))
    made_sink.close()
    assert made_sink.status == EXIT_FAILURE and "whose code" in said[0] and not (tmp_path / "x.folded").exists()


def test_before_a_panic_a_capture_is_there_and_it_is_one_if_there_is_no_panic(tmp_path: Path) -> None:
    found = sink(io.StringIO(), [], target=OutputTarget(f"{tmp_path}/"))
    event = oom()
    undecided = changed(event, kills=())
    for known in (b"little", b"more"):
        found.doomed(Traced(undecided, lambda known=known: known))  # type: ignore[misc]
        (path,) = tmp_path.iterdir()
        assert path.read_bytes() == known
    found.take(traced(event))
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"capture"]


def test_before_a_panic_a_folder_that_is_gone_is_no_failure(tmp_path: Path) -> None:
    said: list[str] = []
    found = sink(io.StringIO(), said, target=OutputTarget(f"{tmp_path}/x.oom"))
    tmp_path.rmdir()
    found.doomed(traced(oom()))
    assert not said and not found.status

"""Captures recorded in the VM decode to the kernel's own lines, with no root, no bcc and no VM."""

from __future__ import annotations

import io
import os
import random
import subprocess
from pathlib import Path

import pytest

from oomtrace import text, why
from oomtrace.errors import OomtraceError
from oomtrace.model import OomEvent
from oomtrace.wire import capture
from tests.live.guest import kernel_lines

DATA = Path(__file__).resolve().parent.parent / "fixtures" / "data"
CAPTURES = sorted(DATA.glob("*-memcg-*.oom"))


def _events(data: bytes) -> list[OomEvent]:
    return list(capture.events(capture.load(io.BytesIO(data))))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_replayed_report_is_the_kernels(path: Path) -> None:
    (event,) = _events(path.read_bytes())
    ours = text.text(text.write(event)).encode("utf-8", "surrogateescape").splitlines()
    assert ours == kernel_lines(path.with_suffix(".kmsg").read_bytes())
    assert not event.origin.missing and not event.trace.records_lost


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_what_only_a_trace_knows(path: Path) -> None:
    (event,) = _events(path.read_bytes())
    assert event.report.memcg is not None
    assert [level.path for level in event.trace.levels] == ["/foo", "/"]
    assert event.report.victim_memcg == "/foo/inner" and event.report.trigger.memcg == "/foo/inner"
    assert {candidate.task.comm for candidate in event.trace.candidates} >= {"hog", "worker", "www) x"}
    assert event.trace.totalpages == (48 << 10) // event.report.machine.page_kb
    assert event.trace.printed is True


@pytest.mark.parametrize("keep", [0, 5, 11, 40, 400, 4000, -1])
def test_truncated_capture_gives_what_there_is(keep: int) -> None:
    data = CAPTURES[0].read_bytes()[:keep] if CAPTURES else b""
    try:
        loaded = capture.load(io.BytesIO(data))
    except OomtraceError as error:
        assert error.message
        return
    assert loaded.problems
    for event in capture.events(loaded):
        text.write(event)


def test_altered_byte_is_noticed() -> None:
    data = bytearray(CAPTURES[0].read_bytes())
    at = data.index(b"RECD") + 40
    data[at] ^= 0xFF
    loaded = capture.load(io.BytesIO(bytes(data)))
    assert any("altered" in problem for problem in loaded.problems)
    (event,) = capture.events(loaded)
    assert event.trace.records_lost


def test_altered_tag_is_noticed() -> None:
    data = CAPTURES[0].read_bytes()
    for tag, problem in ((b"RECD", "records can be read"), (b"SYMS", "names of the functions")):
        loaded = capture.load(io.BytesIO(data.replace(tag, b"XXXX", 1)))
        assert any(problem in one for one in loaded.problems)


@pytest.mark.parametrize("seed", range(4))
def test_damage_anywhere_is_told_and_never_a_defect(seed: int) -> None:
    data, chance = CAPTURES[seed].read_bytes(), random.Random(seed)
    for _ in range(60):
        damaged = bytearray(data)
        damaged[chance.randrange(len(capture.MAGIC), len(data))] ^= 1 << chance.randrange(8)
        for part in (bytes(damaged), data[:chance.randrange(len(capture.MAGIC), len(data))]):
            try:
                loaded = capture.load(io.BytesIO(part))
            except OomtraceError:
                continue
            assert loaded.problems
            for event in capture.events(loaded):
                text.write(event)


def test_a_device_or_pipe_stays_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        capture.save(tmp_path / "pipe", b"x")
        assert reader.communicate(timeout=60)[0] == b"x"
    assert (tmp_path / "pipe").is_fifo()
    capture.save(tmp_path / "file", b"x")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


ARM64 = sorted(DATA.glob("*-arm64-*.oom"))


@pytest.mark.parametrize("path", ARM64, ids=lambda path: path.name)
def test_an_ooms_capture_is_explained_on_any_other_machine(path: Path) -> None:
    """Of arm64: as here, whatever this is. Its limits tell the size of a page, which is that of its kernel."""
    with path.open("rb") as stream:
        found = capture.load(stream)
    (event,) = capture.events(found)
    page_kb = next((size for size in (16, 64) if f"-{size}k-" in path.name), 4)
    assert (event.report.machine.arch, event.report.machine.page_kb) == ("arm64", page_kb)
    assert event.report.stack is not None and event.report.stack.registers is None and not event.origin.missing
    explained = why.explain(event)
    victim = event.report.kills[0]
    assert str(explained.finding("pick").reason) == "agrees" and victim.comm == "hog"
    assert f"({victim.pid})" in explained.finding("killed").sentence

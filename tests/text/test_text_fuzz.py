"""Bad input: whatever it is, it is read or left, and nothing breaks."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_text_archive import FORMS as ARCHIVES
from test_text_pastes import PASTES
from text_corpus import ROOT, SEED, events, kernel_logs, kernel_text
from text_forms import FORMS, records

from oomtrace import why
from oomtrace.errors import EXIT_UNREADABLE, OomtraceError
from oomtrace.formats import DIALECTS
from oomtrace.model import Kill, Machine, Memcg, OomEvent, PageCounter, Stack, Task, Trigger, Verdict
from oomtrace.text import text, write
from tests.events import made

pytestmark = pytest.mark.first

_SLOW = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
_NAMES = st.one_of(
    st.sampled_from([") score 5 or", "a) total-vm:1kB", "] 0 0 0", "x invoked oom-k", "\t", " ", "", "a=b,pid=1",
                     "é€", "kB, anon", ",task=x", "Killed process", "(null)", "[  1.0] a", "> quoted"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r\x1b\x0f"), max_size=15),
)


def _check(found: list[OomEvent]) -> None:
    for event in found:
        assert isinstance(kernel_text(event), str)
        assert why.explain(event)
        for name in ("2.6.32", "3.10-el7", "4.19", "5.10-debian", "7.3"):
            text(write(event, DIALECTS[name]), timestamps=True)


def _check_or_damaged(data: bytes) -> None:
    try:
        _check(events(data))
    except OomtraceError as error:  # it begins as an archive does, and is none
        assert error.status == EXIT_UNREADABLE


@given(st.binary(max_size=2000))
@_SLOW
def test_garbage(data: bytes) -> None:
    _check_or_damaged(data)


@given(st.lists(st.sampled_from(SEED.splitlines(keepends=True)), max_size=40), st.binary(max_size=20))
@_SLOW
def test_lines_in_any_order(lines: list[str], junk: bytes) -> None:
    _check_or_damaged("".join(lines).encode() + junk)


@given(st.sampled_from(sorted(PASTES)), st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=9)), max_size=6))
@_SLOW
def test_damaged_pastes(form: str, damage: "list[tuple[int, bytes]]") -> None:
    data = bytearray(PASTES[form](SEED.splitlines()).encode("utf-8", "surrogateescape"))
    for at, junk in damage:
        data[at: at + len(junk)] = junk
    _check_or_damaged(bytes(data))


@given(st.data())
@_SLOW
def test_damaged_reports(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(kernel_logs()))
    form = data.draw(st.sampled_from(sorted(FORMS)))
    raw = bytearray(FORMS[form](records(path.read_bytes())[:200]).encode("utf-8", "surrogateescape"))
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.integers(0, 200))
        raw[at: at + cut] = data.draw(st.binary(max_size=40))
    _check(events(bytes(raw)))


@given(name=_NAMES, other=_NAMES, dialect=st.sampled_from(sorted(DIALECTS)))
@_SLOW
def test_names_of_processes(name: str, other: str, dialect: str) -> None:
    """What a process calls itself cannot change what is read of the others."""
    name = name.encode()[:15].decode("utf-8", "ignore")
    other = other.encode()[:15].decode("utf-8", "ignore")
    event = made(
        kind="memcg", machine=Machine(release="1.0.0-none", version="#1", taint="Not tainted"),
        trigger=Trigger(comm=name, pid=1, uid=0, cpu=0, gfp_mask=0xcc0, order=0, oom_score_adj=0, oom_adj=0, cpuset="/",
                        mems_allowed="0"),
        stack=Stack(), memcg=Memcg(path="/a", memory=PageCounter(1, 2, 3)), victim_memcg="/a",
        tasks=tuple(Task(pid, comm, 0, pid, 1, 2, oom_score_adj=-5, nr_ptes=1, pgtables_bytes=4096, swapents_pages=0,
                         nr_pmds=1, rss_anon_pages=1, rss_file_pages=1, rss_shmem_pages=0, cpu=0, oom_adj=0)
                    for pid, comm in ((7, name), (8, other))),
        verdict=Verdict("Memory cgroup out of memory", 7, name, 9),
        kills=(Kill(7, name, "Memory cgroup out of memory", 0, 1, 2, 3, 4, 5, 6),),
    )
    printed = text(write(event, DIALECTS[dialect]), timestamps=True)
    if name.strip() != name or other.strip() != other:
        return  # a log may lose such blanks, and the reader puts up with that
    found = events(printed)
    assert [kill.comm for one in found for kill in one.report.kills] == [name]
    assert [task.comm for one in found for task in one.report.tasks or ()] == [name, other]
    assert "".join(map(kernel_text, found)) == text(write(event, DIALECTS[dialect]))


def test_odd_inputs() -> None:
    for data in (b"", b"\n", b"\0" * 5000, b"\xff\xfe" + SEED.encode("utf-16-le"), b"{" * 100000, b"[" * 50000,
                 b"Killed process ", b"oom-kill:constraint=", b"\x1b" * 1000 + b"oom-kill:constraint", b"> " * 30000):
        _check(events(data))


def _fuzzed(tmp_path: Path, seconds: int, forms: bool = True, **more: str) -> "subprocess.CompletedProcess[str]":
    """libFuzzer on the reader for some seconds."""
    start = tmp_path / "start"
    start.mkdir()
    lines = SEED.splitlines(keepends=True)
    (event,) = events(SEED)
    for name in ("2.6.32", "4.19", "5.10-debian", "7.3"):  # the lines of other kernels
        lines += text(write(event, DIALECTS[name]), timestamps=True).splitlines(keepends=True)
    for at in range(0, len(lines), 4):  # few lines each: many runs
        (start / str(at)).write_text("".join(lines[at: at + 6]))
    for number, form in enumerate(PASTES.values() if forms else ()):
        (start / f"form {number}").write_bytes(form(SEED.splitlines()[25:]).encode("utf-8", "surrogateescape"))
    for name, pack in ARCHIVES.items() if forms else ():
        (start / f"archive {name.replace(' ', '')}").write_bytes(pack({"a": SEED.encode()[-300:]}))
    return subprocess.run(
        [sys.executable, str(Path(__file__).with_name("text_fuzz.py")), f"-max_total_time={seconds}", "-max_len=2000",
         "-timeout=20", "-rss_limit_mb=1024", f"-artifact_prefix={tmp_path}/", str(start)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), **more}, capture_output=True, text=True,
        timeout=seconds + 170, check=False)


_NEEDS_ATHERIS = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")


@_NEEDS_ATHERIS
@pytest.mark.long  # not for its time, but because it looks for what no commit has to do with
def test_coverage_guided(tmp_path: Path) -> None:
    """For OOMTRACE_FUZZ_SECONDS."""
    done = _fuzzed(tmp_path, int(os.environ.get("OOMTRACE_FUZZ_SECONDS", "2")))
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(re.findall(r"Done (\d+) runs", done.stderr)[-1]) > 100


@_NEEDS_ATHERIS
@pytest.mark.long
def test_a_planted_bug_is_found(tmp_path: Path) -> None:
    done = _fuzzed(tmp_path, 60, forms=False, OOMTRACE_FUZZ_PLANTED="1")
    assert done.returncode != 0 and "the planted bug" in done.stderr + done.stdout

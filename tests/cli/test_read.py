"""``oomtrace read`` of many inputs, some of which cannot be read, or not all of them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from functools import cache
from pathlib import Path
from typing import Any, Callable

import pytest

from oomtrace import output
from tests.cli.test_cli import CAPTURE, SEED_LIKE, assert_complaint, run

pytestmark = pytest.mark.first

jsonschema = pytest.importorskip("jsonschema")

OTHER = CAPTURE.with_name("5.10-memcg-v1.oom")


def valid(shown: bytes) -> list[Any]:
    """The events of a document, which follows the schema whatever was wrong with what was read."""
    document = json.loads(shown)
    jsonschema.validate(document, output.schema())
    events: list[Any] = document["events"]
    return events


def releases(shown: bytes) -> list[str]:
    return [entry["event"]["report"]["machine"]["release"].split("-")[0] for entry in valid(shown)]


def damaged(at: int, path: Path) -> str:
    data = bytearray(CAPTURE.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    return str(path)


def test_what_cannot_be_read_does_not_stop_the_rest(tmp_path: Path) -> None:
    bad, missing = damaged(40, tmp_path / "bad\x1b.oom"), str(tmp_path / "none")
    done = run("read", "--format", "json", str(CAPTURE), bad, missing, str(tmp_path), str(OTHER))
    assert_complaint(done, 4, "bad\\x1b.oom: the capture is damaged: its head cannot be read\n  hint: ")
    assert f"oomtrace: cannot read {missing}" in done.stderr.decode() and "is a directory" in done.stderr.decode()
    assert b"no OOM report" not in done.stderr
    assert releases(done.stdout) == ["6.1.0", "5.10.0"]


def test_nothing_but_what_cannot_be_read_is_a_document(tmp_path: Path) -> None:
    done = run("read", "--format", "json", str(tmp_path / "none"))
    assert done.returncode == 4 and valid(done.stdout) == []
    assert b"no OOM report" not in done.stderr


def test_debug_shows_where(tmp_path: Path) -> None:
    done = run("--debug", "read", str(tmp_path / "none"), str(CAPTURE))
    assert done.returncode == 4 and b"Traceback" in done.stderr and b"hog" in done.stdout


@pytest.mark.parametrize("cut", [False, True], ids=["altered", "cut off"])
def test_damage_is_told_to_scripts(cut: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.oom"
    if cut:
        path.write_bytes(CAPTURE.read_bytes()[:-10])
    else:
        damaged(CAPTURE.read_bytes().index(b"RECD") + 5, path)
    done = run("read", "--format", "json", str(path))
    assert_complaint(done, 4, f"oomtrace: {path}: the capture is damaged")
    assert "part of the capture" in valid(done.stdout)[0]["event"]["origin"]["missing"]


def test_a_capture_in_a_damaged_archive_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "x.oom.gz"
    path.write_bytes(gzip.compress(CAPTURE.read_bytes())[:-100])
    done = run("read", "--format", "json", str(path))
    assert_complaint(done, 4, "to its end")
    assert releases(done.stdout) == ["6.1.0"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("path", [SEED_LIKE, CAPTURE], ids=["log", "capture"])
def test_compressed_input_may_come_through_pipes(pack: Callable[[bytes], Any], path: Path) -> None:
    done = run("read", "--format", "kernel", "-", stdin=pack(path.read_bytes()))
    assert done.returncode == 0 and done.stdout == _uncompressed(path) != b""


@cache
def _uncompressed(path: Path) -> bytes:
    return bytes(run("read", "--format", "kernel", str(path)).stdout)


def test_captures_one_after_the_other() -> None:
    whole, other = CAPTURE.read_bytes(), OTHER.read_bytes()
    done = run("read", "--format", "json", "-", stdin=whole + other)
    assert done.returncode == 0 and releases(done.stdout) == ["6.1.0", "5.10.0"]
    done = run("read", "--format", "json", "-", stdin=whole[:40] + other)
    assert_complaint(done, 4, "standard input: the capture is damaged")
    assert releases(done.stdout) == ["5.10.0"]


def test_survey_counts_logs_alone(tmp_path: Path) -> None:
    done = run("read", "--survey", str(CAPTURE), str(tmp_path / "none"), str(SEED_LIKE))
    assert_complaint(done, 4, f"{CAPTURE} is a capture")
    assert done.stdout.count(b"\n") == 3 and done.stdout.endswith(b"100.00%  1 file\n")
    done = run("read", "--survey", stdin=SEED_LIKE.read_bytes())
    assert done.returncode == 0 and b"standard input" in done.stdout
    done = run("read", "--survey", "-", str(SEED_LIKE), stdin=b"no report\n")
    (empty, _, total) = done.stdout.decode().splitlines()[1:]
    assert empty.split() == ["0", "0", "0", "0", "-", "standard", "input"] and total.endswith("100.00%  2 files")


def test_a_document_is_an_input_like_others(tmp_path: Path) -> None:
    """Of the schema before this one, with a line that is damaged."""
    data = CAPTURE.parents[2] / "output" / "data" / "oomtrace-1.jsonl.gz"
    (tmp_path / "events.jsonl").write_bytes(gzip.decompress(data.read_bytes()) + b"{\n")
    done = run("read", "--format", "kernel", str(tmp_path / "events.jsonl"))
    assert_complaint(done, 4, "events.jsonl: the document is damaged: a line is no JSON")
    assert done.stdout.count(b"invoked oom-killer") == 3
    again = run("read", "--format", "json", str(data))
    mempolicy = CAPTURE.parents[2] / "wire" / "data" / "6.12-mempolicy.oom.gz"
    captures = run("read", "--format", "json", str(CAPTURE.with_name("6.12-memcg-v2.oom")), str(OTHER), str(mempolicy))
    assert releases(again.stdout) == releases(captures.stdout) != []
    why = run("read", "--format", "why", "-", stdin=again.stdout)
    assert why.returncode == 0 and why.stdout


def test_members_of_archives_are_inputs(tmp_path: Path) -> None:
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("kern.log", SEED_LIKE.read_bytes())
        made.writestr("trace.oom", OTHER.read_bytes())
        made.writestr("cut.oom", CAPTURE.read_bytes()[:-10])
    for done in (run("read", "--format", "json", str(path)), run("read", "--format", "json", stdin=path.read_bytes())):
        assert_complaint(done, 4, "cut.oom: the capture is damaged")
        assert releases(done.stdout) == ["6.1.0", "5.10.0", "6.1.0"]
    assert [found.name for found in tmp_path.iterdir()] == ["logs.zip"]


def test_the_same_log_in_two_files_is_told_once() -> None:
    done = run("read", "--format", "jsonl", str(SEED_LIKE), str(SEED_LIKE))
    assert done.returncode == 0 and done.stdout.count(b"\n") == 1

"""Archives are inputs, member by member; a bad one does no harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from text_corpus import OTHER, SEED, kernel_text

from oomtrace.errors import EXIT_UNREADABLE, OomtraceError
from oomtrace.model import OomEvent
from oomtrace.text import archive, read
from oomtrace.text.archive import members
from oomtrace.text.source import chunks

LOGS = {"var/log/kern.log": SEED.encode(), "other.txt": b"nothing\n" * 500, "d/" + "n" * 150 + ".log": OTHER.encode()}


def zipped(files: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", how) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return data.getvalue()


def tarred(files: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as made:
        folder = tarfile.TarInfo("var")
        folder.type = tarfile.DIRTYPE
        made.addfile(folder)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return data.getvalue()


def found(data: bytes, size: int = 4096) -> list[OomEvent]:
    pieces = (data[at: at + size] for at in range(0, len(data), size))
    return [event for member in members("log", chunks(pieces)) for event in read(member.pieces)]


FORMS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip": zipped,
    "zip, stored": lambda files: zipped(files, zipfile.ZIP_STORED),
    "zip, lzma": lambda files: zipped(files, zipfile.ZIP_LZMA),
    "tar": tarred,
    "tar, posix": lambda files: tarred(files, tarfile.PAX_FORMAT),
    "tar.gz": lambda files: gzip.compress(tarred(files)),
    "tar.xz": lambda files: lzma.compress(tarred(files)),
    "tar.bz2": lambda files: bz2.compress(tarred(files)),
    "gz in tar": lambda files: tarred({name + ".gz": gzip.compress(data) for name, data in files.items()}),
    "zip in zip": lambda files: zipped({"inner.zip": zipped(files)}),
    "tar.gz in zip": lambda files: zipped({"inner.tgz": gzip.compress(tarred(files))}),
    "two tars": lambda files: b"".join(tarred({name: data}) for name, data in files.items()),
}


@pytest.mark.parametrize("size", [1, 700, 1 << 20])
@pytest.mark.parametrize("form", FORMS)
def test_members_are_inputs(form: str, size: int) -> None:
    wanted = [kernel_text(event) for log in (SEED, OTHER) for event in read([log.encode()])]
    assert [kernel_text(event) for event in found(FORMS[form](LOGS), size)] == wanted


def test_members_have_names() -> None:
    names = [member.name for member in members("a.tgz", chunks([gzip.compress(tarred(LOGS))]))]
    assert names == [f"a.tgz: {name}" for name in LOGS]
    assert [member.name for member in members("log", [SEED.encode()])] == ["log"]


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a member calls itself."""
    within = tmp_path / "a" / "b"
    within.mkdir(parents=True)
    monkeypatch.chdir(within)
    evil = {"../../up.log": SEED.encode(), str(tmp_path / "absolute.log"): OTHER.encode(), "here.log": b"x\n"}
    for data in (zipped(evil), tarred(evil), gzip.compress(tarred(evil))):
        assert len(found(data)) == 2
    assert _files(tmp_path) == []
    for name, text in evil.items():  # what an unpacker that trusts names would do is seen by this test
        Path(name).write_bytes(text)
    assert _files(tmp_path) == ["absolute.log", "here.log", "up.log"]


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_long_document_takes_little_memory() -> None:
    """48 MiB of JSON on one line, as an export is: it is read in pieces."""
    kill = (b'"[   %d.000000] Out of memory: Killed process 1 (hog) total-vm:9kB, anon-rss:8kB, file-rss:0kB, '
            b'shmem-rss:0kB",')
    filler = [b'"' + b"usb 1-1: new device " * 3200 + b'",'] * 384
    document = [b'{"lines":[', kill % 10, *filler, kill % 20, *filler, kill % 30, b'"x"]}\n']
    tracemalloc.start()
    assert len(list(read(iter(document)))) == 3
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 44 << 20 < sum(map(len, document))


def _refused(data: bytes) -> str:
    with pytest.raises(OomtraceError) as error:
        found(data)
    assert error.value.status == EXIT_UNREADABLE and error.value.hint
    return error.value.message


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_FREE", 1 << 20)
    bomb = zipped({"zeros": bytes(64 << 20)})
    assert "times as large" in _refused(bomb)
    assert "times as large" in _refused(tarred({"a.zip": bomb}))
    assert "times as large" in _refused(zipped({"a.gz": gzip.compress(zipped({"a": bytes(64 << 20)}))}))
    nested = zipped({"log": SEED.encode()})
    for _ in range(6):
        nested = zipped({"inner.zip": nested})
    assert "deep" in _refused(nested)


def test_a_header_that_lies_keeps_nothing_in_memory() -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    data = info.tobuf(tarfile.GNU_FORMAT) + bytes(100000)
    assert found(data) == []
    info.type = tarfile.REGTYPE
    assert len(found(info.tobuf(tarfile.GNU_FORMAT) + SEED.encode())) == 1  # as far as it goes


@pytest.mark.parametrize("magic", archive._UNREAD)
def test_what_is_not_read_is_named(magic: bytes) -> None:
    assert "which is not read" in _refused(magic + bytes(1000))


def test_encrypted_and_cut() -> None:
    data = bytearray(zipped({"log": SEED.encode()}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "log" in _refused(bytes(data))
    assert "cannot read log" in _refused(zipped(LOGS)[:-30])


@given(st.sampled_from(sorted(FORMS)), st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=9)), max_size=6))
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_damaged_archives(form: str, damage: "list[tuple[int, bytes]]") -> None:
    data = bytearray(FORMS[form](LOGS))
    for at, junk in damage:
        data[at: at + len(junk)] = junk
    try:
        assert len(found(bytes(data))) <= 4
    except OomtraceError as error:
        assert error.status == EXIT_UNREADABLE

"""Programs that nobody vouches for are read in a process of its own, which may crash, hang, and do little else."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

from oomtrace import code
from oomtrace.code import apart, libdw
from oomtrace.model import Code, CodeFrame
from tests.code.programs import built, own, running, samples, work
from tests.code.stopped import MACHINE

pytestmark = pytest.mark.skipif(libdw.libdw() is None, reason="there is no libdw (Debian: libdw1)")


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[tuple[code.RawCode, code.Files]]:
    """Samples of a program with frame pointers, and its files."""
    files = code.Files()
    with running([str(built(tmp_path, "catalog.c", "-O0", "-fno-omit-frame-pointer"))]) as child:
        work(child.pid)
        process = code.look(child.pid, files)
        assert process is not None
        yield code.RawCode(MACHINE, tuple(samples(child.pid, 4)), processes=(process,)), files
    files.close()


def instead(monkeypatch: pytest.MonkeyPatch, with_libdw: Callable[[], object]) -> None:
    """In the child, this is what reading programs with libdw does."""
    real = apart.resolve

    def resolve(raw: code.RawCode, files: Optional[code.Files], without_libdw: bool) -> Code:
        if not without_libdw:
            with_libdw()
        return real(raw, files, without_libdw)

    monkeypatch.setattr(apart, "resolve", resolve)


def test_it_finds_the_same(taken: tuple[code.RawCode, code.Files]) -> None:
    found = code.resolve_apart(*taken)
    assert found is not None and found == code.resolve(*taken)
    assert all("load_catalog" in names for names in own(found))


def test_a_crash_leaves_frame_pointers(
    taken: tuple[code.RawCode, code.Files], monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, os.abort)
    found = code.resolve_apart(*taken)
    assert found is not None and found.unwinder == "frame pointers"
    assert any("load_catalog" in names for names in own(found))


def test_one_that_hangs_is_ended(taken: tuple[code.RawCode, code.Files], monkeypatch: pytest.MonkeyPatch) -> None:
    by_child = apart._by_child

    def hurried(raw: code.RawCode, files: Optional[code.Files], without_libdw: bool, *more: Any) -> Optional[Code]:
        return by_child(raw, files, without_libdw, 60.0 if without_libdw else 0.5, more[-1])

    monkeypatch.setattr(apart, "_by_child", hurried)
    instead(monkeypatch, lambda: time.sleep(600))
    began = time.monotonic()
    found = code.resolve_apart(*taken)
    assert found is not None and found.unwinder == "frame pointers" and time.monotonic() - began < 60


@pytest.fixture
def unable_to_kill() -> Iterator[None]:
    """As the service: root without CAP_KILL, which is not allowed to kill a process of another user."""
    if os.geteuid():
        pytest.skip("it needs root")
    libc, header = ctypes.CDLL(None), struct.pack("<Ii", 0x20080522, 0)  # linux/capability.h: version 3
    found = ctypes.create_string_buffer(24)
    assert libc.capget(header, found) == 0
    effective, *others = struct.unpack("<6I", found.raw)
    assert libc.capset(header, struct.pack("<6I", effective & ~(1 << 5), *others)) == 0
    yield
    assert libc.capset(header, found.raw) == 0


def test_one_that_hangs_is_ended_by_who_may_not_kill_it(
    taken: tuple[code.RawCode, code.Files], monkeypatch: pytest.MonkeyPatch, unable_to_kill: None
) -> None:
    children: list[int] = []
    fork = os.fork
    monkeypatch.setattr(os, "fork", lambda: children.append(fork()) or children[-1])
    monkeypatch.delenv("DEBUGINFOD_URLS", raising=False)

    def hang(*_: object) -> Code:
        while True:
            pass

    monkeypatch.setattr(apart, "resolve", hang)
    monkeypatch.setattr(apart, "_END_S", 60.0)  # it must have a CPU to end

    def attempt() -> None:
        with pytest.raises(PermissionError):  # else this test shows nothing
            for _ in range(6000):
                os.kill(children[-1], signal.SIGKILL if os.stat(f"/proc/{children[-1]}").st_uid else 0)
                time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        code.resolve_apart(*taken, meanwhile=attempt)
    (child,) = children
    assert not os.path.exists(f"/proc/{child}"), "it has ended, and nothing is left of it"


def test_it_ends_with_who_has_begun_it(
    taken: tuple[code.RawCode, code.Files], monkeypatch: pytest.MonkeyPatch, unable_to_kill: None
) -> None:
    inside, telling = os.pipe()
    monkeypatch.delenv("DEBUGINFOD_URLS", raising=False)
    parent = os.fork()
    if not parent:
        def hang(*_: object) -> Code:
            time.sleep(600)
            raise AssertionError

        fork, apart.resolve = os.fork, hang  # type: ignore[assignment]

        def forked() -> int:
            child = fork()
            if child:
                os.write(telling, f"{child}\n".encode())
            return child

        try:
            os.fork = forked  # type: ignore[assignment]
            code.resolve_apart(*taken, seconds=600)
        finally:
            os._exit(1)  # this is no second run of the tests
    os.close(telling)
    child = int(os.read(inside, 20))
    os.close(inside)
    until = time.monotonic() + 60
    while not os.stat(f"/proc/{child}").st_uid:
        assert time.monotonic() < until, "it does not become nobody"
        time.sleep(0.01)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    while os.path.exists(f"/proc/{child}") and " Z " not in Path(f"/proc/{child}/stat").read_text():
        assert time.monotonic() < until, "it goes on alone"
        time.sleep(0.01)


def test_where_all_fails_there_is_no_code(
    taken: tuple[code.RawCode, code.Files], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "resolve", lambda *_: os.abort())
    assert code.resolve_apart(*taken) is None


def test_an_answer_that_is_none(taken: tuple[code.RawCode, code.Files], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "to_plain", lambda _: {"frames": 7})
    assert code.resolve_apart(*taken) is None


def test_what_the_child_can_do(
    taken: tuple[code.RawCode, code.Files], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As whom it runs, what it has open (two pipes), and what it can write and allocate."""
    def tell(*_: object) -> Code:
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        told = {"uid": os.geteuid(), "capabilities": status["CapEff"].strip(), "pipes": 0, "writes": True, "room": True}
        descriptors = [os.readlink(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd") if int(one) > 2
                       and os.path.lexists(f"/proc/self/fd/{one}")]
        told["pipes"] = sum(name.startswith(("pipe:", "socket:")) for name in descriptors)
        try:
            (tmp_path / "written").write_text("x")
        except OSError:
            told["writes"] = False
        try:
            bytearray(3 << 30)
        except MemoryError:
            told["room"] = False
        return Code((CodeFrame(json.dumps(told)),), (), ())

    monkeypatch.setattr(apart, "resolve", tell)
    monkeypatch.delenv("DEBUGINFOD_URLS", raising=False)
    found = code.resolve_apart(*taken)
    assert found is not None and found.frames[0].function is not None
    told = json.loads(found.frames[0].function)
    assert told["pipes"] == 2 and not told["writes"] and not told["room"]
    if os.geteuid() == 0:
        assert told["uid"] == 65534
        assert int(told["capabilities"], 16) & ~(1 << 2 | 1 << 19) == 0

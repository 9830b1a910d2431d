"""What goes into a VM and comes out of it, with a stand-in for QEMU."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from vm import boot, files, payload
from vm.errors import STATUS_LOST, VmError
from vm.image import Image
from vm.spec import Result, RunSpec
from vm.streams import Control, MarkedStream

MARK = b"\0end-1"


@pytest.mark.parametrize("size", range(1, 12))
def test_mark_is_cut_off_however_it_arrives(size: int) -> None:
    sent = b"a\0b\0\0end-2\n\0e" + MARK + b"dropped"
    got = bytearray()
    stream = MarkedStream(MARK, got.extend)
    for start in range(0, len(sent), size):
        stream.feed(sent[start:start + size])
    assert bytes(got) == b"a\0b\0\0end-2\n\0e"
    assert stream.ended


def test_broken_stream_gives_what_was_held_back() -> None:
    got = bytearray()
    stream = MarkedStream(MARK, got.extend)
    stream.feed(b"line\n\0end")
    assert bytes(got) == b"line\n"
    stream.flush()
    assert bytes(got) == b"line\n\0end" and not stream.ended


def test_control_lines() -> None:
    control = Control()
    for piece in (b"rea", b"dy\nmissing /a b\nex", b"it 137\n"):
        control.feed(piece)
    assert (control.ready, control.missing, control.status) == (True, ["/a b"], 137)


@pytest.mark.parametrize(("member", "asked", "place"), [
    ("etc/hosts", "/etc/hosts", "here"), ("var/log/a/b", "/var/log", "here/a/b"), ("var/log", "/var/log/", "here"),
    ("var/logs", "/var/log", None), ("var/log/../x", "/var/log", None), ("else", "/var/log", None),
])
def test_destination_of_a_member(member: str, asked: str, place: str | None) -> None:
    assert files.destination(member, asked, Path("here")) == (Path(place) if place else None)


def make_tar(members: dict[str, bytes | None]) -> io.BytesIO:
    """A tar of files, and folders where the content is None."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            member.size = len(content or b"")
            tar.addfile(member, io.BytesIO(content or b""))
    return stream


def test_files_come_out(tmp_path: Path) -> None:
    archive = make_tar({"srv/a": b"A", "log": None, "log/sub": None, "log/sub/b": b"B", "etc/shadow": b"no"})
    files.extract(archive, [("/srv/a", tmp_path / "new" / "a"), ("/log", tmp_path / "logs")])
    assert (tmp_path / "new" / "a").read_bytes() == b"A"
    assert (tmp_path / "logs" / "sub" / "b").read_bytes() == b"B"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "logs", "new", "sub"]
    with pytest.raises(VmError, match="not a tar"):
        files.extract(io.BytesIO(b"x" * 2000), [])


def test_checkout_is_what_git_would_track(tmp_path: Path) -> None:
    for name, text in {".gitignore": "*.o\n", "kept.py": "1", "gone.py": "", "new.py": "2", "a.o": ""}.items():
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "-C", str(tmp_path), "init", "-q"], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "add", "kept.py", "gone.py"], check=True)
    (tmp_path / "gone.py").unlink()
    assert payload.files(tmp_path) == [".gitignore", "kept.py", "new.py"]
    stream = io.BytesIO()
    payload.write(stream, tmp_path)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        assert [(member.name, member.uid) for member in tar] == [
            ("oomtrace/.gitignore", 0), ("oomtrace/kept.py", 0), ("oomtrace/new.py", 0)]


def test_files_and_folders_are_brought_in(tmp_path: Path) -> None:
    (tmp_path / "checkout").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").write_text("deep")
    (tmp_path / "one").write_text("flat")
    stream = io.BytesIO()
    payload.write(stream, tmp_path / "checkout", put=[tmp_path / "one", tmp_path / "folder"])
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        assert tar.getnames() == ["put/one", "put/folder", "put/folder/inner"]
    with pytest.raises(VmError, match="not there"):
        RunSpec(put=[tmp_path / "nothing"])


def test_what_is_kept_comes_and_goes_while_others_read_it(tmp_path: Path) -> None:
    """Guests that run at once share that folder: one ends, another begins."""
    kept = tmp_path / "kept"
    sizes = (1, 300_000)
    ended = threading.Event()

    def end_again_and_again() -> None:
        while not ended.is_set():
            for size in sizes:
                files.extract(make_tar({"root/kept/plan": b"x" * size}), [("/root/kept", kept)])

    (tmp_path / "checkout").mkdir()
    other = threading.Thread(target=end_again_and_again)
    other.start()
    try:
        while not (kept / "plan").exists():
            pass
        found = set()
        for _ in range(300):
            stream = io.BytesIO()
            payload.write(stream, tmp_path / "checkout", kept=kept)
            stream.seek(0)
            with tarfile.open(fileobj=stream) as tar:
                found |= {member.size for member in tar if member.name == "kept/plan"}
                assert tar.getnames() == ["kept", "kept/plan"]
    finally:
        ended.set()
        other.join()
    assert found <= set(sizes), "whole, of either"


def test_a_device_is_written_to_and_stays_one() -> None:
    files.extract(make_tar({"a": b"A"}), [("/a", Path(os.devnull))])
    assert Path(os.devnull).is_char_device()


def test_checkout_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vm.payload._git_files", lambda _: None)
    for name in ("a.py", "sub/b.py", "__pycache__/c.pyc", ".venv/d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert payload.files(tmp_path) == ["a.py", "sub/b.py"]


FAKE_QEMU = """
import os, sys, time
ports = {name: int(fd) for name, fd in (pair.split("=") for pair in sys.argv[2:])}
mark = b"\\0vm-end-" + sys.argv[1].encode()
def put(port, data): os.write(ports[port], data)
def end(*names): [put(name, mark) for name in names]
"""


def run_fake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, wanted: RunSpec, out: list[bytes]
) -> Result:
    """`boot._run` with `script` instead of QEMU; it finds put(), end() and the ports' descriptors."""
    monkeypatch.setattr("vm.lastwords.ANSWER_S", 60.0)  # who answers ends, and is not waited for
    monkeypatch.setattr("vm.boot.payload.write", lambda stream, **_: None)
    monkeypatch.setattr("vm.boot.secrets.token_hex", lambda _: "0123")
    monkeypatch.setattr("vm.boot.qemu.command", lambda _, made: [
        sys.executable, "-c", FAKE_QEMU + script, "0123", *(f"{name}={fd}" for name, fd in made.sockets.items())])
    (tmp_path / "initrd").touch()
    return boot._run(wanted, "true", Image(tmp_path), kvm=False, stdout=out.append)


def test_run_gives_streams_status_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar, heard = tmp_path / "sent.tar", tmp_path / "heard"
    tar.write_bytes(make_tar({"a": b"A"}).getvalue())
    script = f"""
put("control", b"ready\\n"); put("out", b"one\\n"); put("err", b"oops")
while not os.path.exists({str(heard)!r}): time.sleep(0.01)
put("out", b"two")
put("files", open({str(tar)!r}, "rb").read())
put("control", b"missing /b\\nexit 3\\n"); end("out", "err", "files", "control"); time.sleep(300)
"""

    class Heard(list):  # type: ignore[type-arg]
        def append(self, data: bytes) -> None:
            super().append(data)
            heard.touch()

    out: list[bytes] = Heard()
    wanted = RunSpec(get=[("/a", tmp_path / "got"), ("/b", tmp_path / "not")], timeout=120)
    result = run_fake(tmp_path, monkeypatch, script, wanted, out)
    assert (result.status, result.exit_status, result.stdout, result.stderr) == (3, 3, b"one\ntwo", b"oops")
    assert out == [b"one\n", b"two"]
    assert result.missing == ["/b"] and (tmp_path / "got").read_bytes() == b"A" and not (tmp_path / "not").exists()
    assert 0 < result.boot_seconds < result.seconds < 120
    assert boot.check(result) is result


def test_panic_is_a_lost_vm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """
put("control", b"ready\\n"); put("out", b"so far")
put("console", b"[    1.0] Kernel panic - not syncing: why\\r\\n[    1.1] more\\r\\n")
"""
    result = run_fake(tmp_path, monkeypatch, script, RunSpec(), [])
    assert (result.status, result.exit_status, result.stdout) == (None, STATUS_LOST, b"so far")
    assert result.lost == "Kernel panic - not syncing: why"
    with pytest.raises(VmError, match="(?s)panic.*more"):
        boot.check(result)


def test_qemu_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_fake(tmp_path, monkeypatch, 'sys.exit("qemu: no such option")', RunSpec(), [])
    assert result.lost == "qemu: no such option" and not result.crashed


def test_qemu_that_crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'put("control", b"ready\\n"); sys.stderr.write("Assertion failed."); sys.stderr.flush(); os.abort()'
    result = run_fake(tmp_path, monkeypatch, script, RunSpec(), [])
    assert result.crashed and result.status is None and result.lost == "Assertion failed."


@pytest.mark.parametrize("signal", ["SIGSEGV", "SIGTRAP"])
def test_signal_that_ends_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signal: str) -> None:
    script = f'put("control", b"ready\\n"); import signal; os.kill(os.getpid(), signal.{signal})'
    assert run_fake(tmp_path, monkeypatch, script, RunSpec(), []).crashed


def test_kernel_that_trips_over_an_int3_while_it_boots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oops = 'put("console", b"[ 1.9] Oops: int3: 0000 [#1] SMP\\r\\nKernel panic - not syncing: Fatal exception\\r\\n")'
    booting = run_fake(tmp_path, monkeypatch, oops, RunSpec(), [])
    assert booting.crashed and booting.lost == "Kernel panic - not syncing: Fatal exception"
    reset = run_fake(tmp_path, monkeypatch, 'put("console", b"[ 0.5] up to here\\r\\n")', RunSpec(), [])
    assert reset.crashed and reset.lost == "QEMU ended without a word"
    later = run_fake(tmp_path, monkeypatch, f'put("control", b"ready\\n"); {oops}', RunSpec(), [])
    assert later.lost and not later.crashed


def test_kernel_that_hangs_while_it_boots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot, "BOOT_TIMEOUT_S", 0.2)
    hang = 'os.read(ports["monitor"], 1000)'  # it ends when it is asked for its last words
    booting = run_fake(tmp_path, monkeypatch, hang, RunSpec(), [])
    assert booting.crashed and booting.lost == "not booted after 0.2 s"
    late = 'put("control", b"ready\\n"); time.sleep(0.3); sys.exit("gone")'
    later = run_fake(tmp_path, monkeypatch, late, RunSpec(), [])
    assert later.lost == "gone" and not later.crashed


@pytest.mark.parametrize(("crashes", "printed", "heard", "runs"), [
    (1, b"", True, 2), (9, b"", True, boot.CRASHES), (1, b"so far", False, 2), (1, b"so far", True, 1),
])
def test_crash_of_qemu_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, crashes: int, printed: bytes, heard: bool, runs: int
) -> None:
    tried: list[int] = []

    def once(*_: object) -> Result:
        tried.append(1)
        lost = len(tried) <= crashes
        return Result(None if lost else 0, printed, b"", "", "gone" if lost else "", crashed=lost)

    monkeypatch.setattr("vm.boot.host.ensure_qemu", lambda _: None)
    monkeypatch.setattr("vm.boot.image.ensure", lambda _: Image(Path()))
    monkeypatch.setattr("vm.boot.accel.kvm_works", lambda *_: False)
    monkeypatch.setattr("vm.boot._run", once)
    boot.run(RunSpec(), "true", [].append if heard else None)
    assert len(tried) == runs


def test_time_out_asks_for_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """
put("control", b"ready\\n")
asked = os.read(ports["monitor"], 1000)
put("console", b"asked for " + asked[-60:].split(b'"')[1] + b", key " + os.read(ports["console"], 1))
"""
    result = run_fake(tmp_path, monkeypatch, script, RunSpec(timeout=0.5), [])
    assert result.status is None and result.lost == "no end after 0.5 s"
    assert "key 9" in result.console


def test_reader_that_leaves_ends_the_vm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(list):  # type: ignore[type-arg]
        def append(self, _: bytes) -> None:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_fake(tmp_path, monkeypatch, 'put("out", b"x"); time.sleep(60)', RunSpec(), Gone())

"""Stacks that are resolved later, on another machine: from JSON, without the process, with no file kept open."""

from __future__ import annotations

import ctypes
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from oomtrace import code
from oomtrace.code import libdw
from oomtrace.model import Ending
from oomtrace.plain import from_plain, to_plain
from tests.code.programs import built, own, running, samples, work
from tests.code.stopped import MACHINE

pytestmark = pytest.mark.skipif(libdw.libdw() is None, reason="there is no libdw (Debian: libdw1)")

C = ["parse_row", "load_catalog", "main"]


def captured(program: Path) -> code.RawCode:
    """What a capture has of a program that ran."""
    files = code.Files()
    with running([str(program)]) as child:
        work(child.pid)
        process = code.look(child.pid, files)
        taken = samples(child.pid, 3)
    files.close()
    assert process is not None
    raw = code.RawCode(MACHINE, taken, processes=(process,))
    return from_plain(code.RawCode, json.loads(json.dumps(to_plain(raw))))


def test_a_file_of_the_same_build_id_is_the_right_one(tmp_path: Path) -> None:
    program = built(tmp_path, "catalog.c")
    raw = captured(program)
    shutil.copy(program, tmp_path / "same")
    (tmp_path / "same").rename(program)  # another inode
    assert all(names[:3] == C for names in own(code.resolve(raw)))


def test_a_file_of_another_build_id_is_not(tmp_path: Path) -> None:
    program = built(tmp_path, "catalog.c")
    raw = captured(program)
    shutil.copy("/bin/true", tmp_path / "other")
    (tmp_path / "other").rename(program)
    found = code.resolve(raw)
    assert {stack.ends for stack in found.stacks} == {Ending.NO_FILE}
    for (name,) in own(found):
        assert name.startswith("catalog+0x")
    assert found.frames[0].build_id is not None


def test_debuginfod_has_files_by_their_build_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        ctypes.CDLL("libdebuginfod.so.1")
    except OSError:
        pytest.skip("there is no libdebuginfod (Debian: libdebuginfod1)")
    program = built(tmp_path, "catalog.c")
    raw = captured(program)
    (build_id,) = {one.build_id for one in raw.processes[0].maps if one.path == str(program) and one.executable}
    data = program.read_bytes()
    program.unlink()

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == f"/buildid/{build_id}/executable"
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(data) if known else 0))
            self.end_headers()
            self.wfile.write(data if known else b"")

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    monkeypatch.setenv("DEBUGINFOD_URLS", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("DEBUGINFOD_CACHE_PATH", str(tmp_path / "cache"))
    try:
        assert all(names[:3] == C for names in own(code.resolve(raw)))
    finally:
        server.shutdown()
        server.server_close()

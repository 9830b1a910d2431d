"""An OOM's journal entry on its way to another machine: Debian's systemd-journal-upload and systemd-journal-remote, two
processes on this one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from oomtrace.model import Kill, Memcg, Trigger
from oomtrace.tell import journald
from tests import pages
from tests.events import made
from tests.ports import free_port

REMOTE, UPLOAD = "/lib/systemd/systemd-journal-remote", "/lib/systemd/systemd-journal-upload"
PATIENCE_S = 120.0


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """It is Debian's package; as root it is installed where it is missing."""
    if Path(REMOTE).exists() and shutil.which("journalctl"):
        return
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip("systemd-journal-remote is not installed (apt install it)")
    words = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "systemd-journal-remote"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(words, capture_output=True, env=environment, check=False).returncode:
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)
        subprocess.run(words, capture_output=True, env=environment, check=False)
    if not Path(REMOTE).exists():
        pytest.skip("systemd-journal-remote cannot be installed")


def exported(entries: "list[dict[str, str]]") -> bytes:
    """Entries in the journal's export format (systemd.io/JOURNAL_EXPORT_FORMATS), as journald would have kept them."""
    parts = []
    for number, entry in enumerate(entries, 1):
        own = {"__REALTIME_TIMESTAMP": str(1_767_225_600_000_000 + number), "__MONOTONIC_TIMESTAMP": str(number),
               "_BOOT_ID": f"{1:032x}", "_MACHINE_ID": f"{2:032x}", "_HOSTNAME": "node7", "_UID": "0"}
        parts.append("".join(f"{name}={value}\n" for name, value in {**own, **entry}.items()) + "\n")
    return "".join(parts).encode("utf-8", "surrogateescape")


@contextmanager
def running(*words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is ended at the end."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(port: int, deadline: float) -> None:
    """Until somebody listens there."""
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 60):
            return
        time.sleep(0.05)


def journal(*words: str) -> str:
    command = ["journalctl", "-o", "cat", "--no-pager", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_an_entry_arrives_with_its_fields(tmp_path: Path) -> None:
    event = made(kind="memcg", memcg=Memcg("/system.slice/db.service"), kills=(Kill(7, "postgres"),), host="node7",
                 trigger=Trigger("postgres", 7, order=0))
    other = {"MESSAGE": "something else", "SYSLOG_IDENTIFIER": "cron"}
    sent, kept = tmp_path / "sent.journal", tmp_path / "remote" / "remote.journal"
    kept.parent.mkdir()
    subprocess.run([REMOTE, f"--output={sent}", "-"], input=exported([other, journald.fields(event)]), check=True,
                   capture_output=True)
    port, deadline = free_port(), time.monotonic() + PATIENCE_S
    with ExitStack() as both:
        both.enter_context(running(REMOTE, f"--listen-http=127.0.0.1:{port}", f"--output={kept}", "--split-mode=none"))
        wait_for(port, deadline)  # who uploads does not try again
        both.enter_context(running(UPLOAD, f"--url=http://127.0.0.1:{port}", f"--file={sent}",
                                   f"--save-state={tmp_path}/state"))
        while "postgres" not in (found := journal(f"--file={kept}", f"MESSAGE_ID={journald.MESSAGE_ID}")):
            assert time.monotonic() < deadline, f"nothing has arrived: {found}"
            time.sleep(0.2)
    of_the_page = [asked(line.replace("/var/log/journal/remote", str(kept.parent))) for line in commands()]
    assert len(of_the_page) == 2
    for answer in (found, *of_the_page):
        assert "db.service" in answer and "something else" not in answer
    assert "_HOSTNAME=node7" in of_the_page[1] and "OOMTRACE_MEMCG=/system.slice/db.service" in of_the_page[1]


def commands() -> list[str]:
    """Those of docs/fleet.md that look into the journals of other machines."""
    (block,) = [block for block in pages.of("by") if block.page == "docs/fleet.md"]
    return block.text.splitlines()


def asked(command: str) -> str:
    """What that prints."""
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout

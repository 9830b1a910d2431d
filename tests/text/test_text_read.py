"""Logs read: real ones, and the VM's in every form that people have them in."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import random
import re
import threading
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from text_corpus import (
    CORPUS,
    OTHER,
    OTHER_TEXT,
    ROOT,
    SEED,
    SEED_TEXT,
    events,
    events_of,
    files,
    kernel_logs,
    kernel_text,
    needs_corpus,
)
from text_forms import FORMS, Record, records
from text_tools import TOOLS

from oomtrace.errors import OomtraceError
from oomtrace.model import Frame, Kill, OomEvent, PageCounter, Task, Verdict
from oomtrace.text import read
from oomtrace.text.source import opened
from oomtrace.text.survey import Tally, table, tally

pytestmark = pytest.mark.first


def test_each_value_of_the_seed() -> None:
    event, = events(SEED)
    assert event.kind == "memcg" and event.origin.source == "log" and event.origin.missing == ()
    trigger = event.report.trigger
    assert (trigger.comm, trigger.pid, trigger.cpu) == ("python", 1399, 6)
    assert (trigger.gfp_mask, trigger.gfp_flags, trigger.order) == (0xd0, None, 0)
    assert (trigger.oom_score_adj, trigger.cpuset, trigger.mems_allowed) == (0, "/", "0")
    assert (event.report.machine.release, event.report.machine.version) == ("3.10.0-693.21.1.el7.x86_64", "#1")
    assert (event.report.machine.taint, event.report.machine.hardware) == (
        "Not tainted", "QEMU Standard PC (i440FX + PIIX, 1996), BIOS 0.5.1 01/01/2011")
    assert event.report.stack is not None and len(event.report.stack.entries) == 13
    assert event.report.stack.entries[0] == Frame("dump_stack", 0x19, 0x1b, address=0xffffffff816ae7c8)
    assert event.report.stack.entries[2] == Frame("try_get_mem_cgroup_from_mm", 0x34, 0x60, address=0xffffffff811f5fc4,
                                           reliable=False)
    assert event.report.memcg is not None and event.report.memcg.path == "/foo" and event.report.victim_memcg == "/foo"
    assert event.report.memcg.memory == PageCounter(1048576, 1048576, 677)
    assert event.report.memcg.memsw == PageCounter(1048576, 9007199254740988, 0)
    assert event.report.memcg.kmem == PageCounter(0, 9007199254740988, 0)
    stats, = event.report.memcg.stats
    assert (stats.path, stats.unit) == ("/foo", "KB")
    assert stats.values == {
        "cache": 56, "rss": 1048520, "rss_huge": 1038336, "mapped_file": 0, "swap": 0, "inactive_anon": 0,
        "active_anon": 1048520, "inactive_file": 28, "active_file": 28, "unevictable": 0}
    assert event.report.tasks == (
        Task(1243, "bash", uid=0, tgid=1243, total_vm_pages=29143, rss_pages=850, nr_ptes=13, swapents_pages=0,
             oom_score_adj=0),
        Task(1399, "python", uid=0, tgid=1399, total_vm_pages=1007354, rss_pages=262500, nr_ptes=527,
             swapents_pages=0, oom_score_adj=0))
    assert event.report.verdict == Verdict("Memory cgroup out of memory", 1399, "python", 973)
    assert event.report.kills == (Kill(1399, "python", total_vm_kb=4029416, anon_rss_kb=1048144, file_rss_kb=1856,
                                shmem_rss_kb=0, time_ns=122_100_541_000),)
    assert event.origin.lines[0].prefix == "[  122.078526] " and event.origin.lines[0].time_ns == 122_078_526_000
    assert [line.number for line in event.origin.lines] == list(range(1, 29))
    assert kernel_text(event) == SEED_TEXT


# The corpus.

NOT_AN_OOM = {"other-pagealloc-cachyos-6.19.11-meminfo.txt"}
TWO_REPORTS = {"fragment-4.5.0-rc2-next-reaper-typo.txt", "fragment-4.6.0-rc7-apostrophe-comm.txt",
               "oomgroup-global-debian-6.1.0-41-k8s-grepped.txt"}


def counted(path: Path) -> Tally:
    with opened(str(path)) as stream:
        return tally(path.name, stream)


@pytest.mark.parametrize(("paths", "least"), [
    pytest.param(files("real"), 0.97, marks=needs_corpus, id="real"), pytest.param(kernel_logs(), 1.0, id="VMs")])
def test_nearly_all_lines_are_read_by_rows(paths: list[Path], least: float) -> None:
    tallies = [counted(path) for path in paths]
    lines = list(table(tallies))
    assert len(lines) == len(tallies) + 2
    assert sum(tally.read for tally in tallies) / sum(tally.lines for tally in tallies) >= least, lines[-1]


@needs_corpus
@pytest.mark.parametrize("path", files("real"), ids=lambda path: path.stem[:50])
def test_every_report_is_found_and_attributed(path: Path) -> None:
    found = events_of(path)
    if path.name in NOT_AN_OOM:
        assert not found
        return
    assert len(found) == (2 if path.name in TWO_REPORTS else 1)
    row = next(line.split("\t") for line in (CORPUS / "MANIFEST.tsv").read_text().splitlines()
               if line.startswith(path.name + "\t"))
    releases = {event.report.machine.release for event in found}
    if row[1][0].isdigit() and "inferred" not in row[1] and "mailwrap-tail" not in path.name:
        assert row[1] in releases
    kinds = {event.kind for event in found}
    if "memcg" in row[2]:
        assert kinds == {"memcg"}
        assert all((event.report.memcg is not None and event.report.memcg.path)
                   or "memory cgroup usage" in event.origin.missing for event in found)
    else:
        assert "memcg" not in kinds


@pytest.mark.parametrize("path", files("real") + kernel_logs(), ids=lambda path: path.stem[:50])
def test_every_victim_is_found(path: Path) -> None:
    """Against the lines of the file, wherever they are whole."""
    raw = path.read_text("utf-8", "surrogateescape")
    found = events_of(path)
    pids = [int(line.split("Killed process ")[1].split(" ")[0].rstrip(","))
            for line in raw.splitlines() if "Killed process " in line and "total-vm" in line]
    assert sorted(pids) == sorted(kill.pid for event in found for kill in event.report.kills
                                  if kill.total_vm_kb is not None)[:len(pids)]


@pytest.mark.parametrize("path", files("real") + kernel_logs(), ids=lambda path: path.stem[:50])
def test_what_is_printed_is_in_the_log(path: Path) -> None:
    """Every line that the kernel's text has is one of the log, but for blanks that the log lost or added."""
    raw = re.sub("(?m)^[>#] ?", "", path.read_text("utf-8", "surrogateescape").replace("\xa0", " "))
    words = "".join(raw.replace("\\x0a", "\n").replace("#012", "\n").replace("\\x5c", "\\").split())
    for event in events_of(path):
        for line in kernel_text(event).splitlines():
            assert "".join(line.split()) in words or path.name == "unknown-global-dc3c8b.txt"


# The forms of logs.

FORM_FILES = ["5.10-memcg2-fault", "5.10-global", "6.1-v1-memcg1-fault", "6.1-memcg2-group", "6.12-sysrq-f",
              "6.12-numa-mempolicy", "7.3-numa-nokillable", "7.3-global"]
# What stands in for the others where there is no corpus.
OWN = {"5.10-v1-memcg1-fault": "5.10-memcg-v1", "6.1-memcg2-group": "6.1-memcg-v2", "7.3-global": "7.3-memcg-v2"}
if not CORPUS.is_dir():
    FORM_FILES = ["5.10-v1-memcg1-fault", "6.1-memcg2-group", "7.3-global"]
# A mail program that breaks the CPU line of a tainted kernel leaves no trace of how many blanks there were.
LOST = {("mail", "6.12-numa-mempolicy"), ("mail", "7.3-numa-nokillable")}
if not CORPUS.is_dir():
    LOST.add(("mail", "6.1-memcg2-group"))  # of two blanks, at which it broke a line


def _raw(name: str) -> bytes:
    path = CORPUS / "vm" / f"{name}.kmsg"
    return (path if path.is_file() else ROOT / "tests/fixtures/data" / f"{OWN[name]}.kmsg").read_bytes()


def _log(name: str) -> list[Record]:
    return records(_raw(name))


@cache
def _wanted(name: str) -> list[OomEvent]:
    return events(_raw(name))


@pytest.mark.parametrize("form", [*FORMS, *TOOLS])
def test_forms(form: str) -> None:
    for name in FORM_FILES:
        wanted = _wanted(name)
        found = events({**FORMS, **TOOLS}[form](_log(name)))
        assert [event.kind for event in found] == [event.kind for event in wanted]
        assert [event.report.victim and event.report.victim.pid for event in found] == [
            event.report.victim and event.report.victim.pid for event in wanted]
        if (form, name) not in LOST:
            assert "".join(map(kernel_text, found)) == "".join(map(kernel_text, wanted)), (form, name)


def test_all_forms_in_one_file() -> None:
    wanted, = events(_raw("6.1-memcg2-group"))
    chosen = [form for name, form in FORMS.items()
              if name not in ("mail", "terminal 80", "terminal 132", "indented, no time", "strange")]
    same = events("".join(form(_log("6.1-memcg2-group")) for form in chosen))
    assert [kernel_text(event) for event in same] == [kernel_text(wanted)]  # the same log, given again and again
    mixed = "".join(form(_later(_log("6.1-memcg2-group"), number)) for number, form in enumerate(chosen))
    found = events(mixed)
    assert len(found) == len(FORMS) - 5
    assert {re.sub(r"total-vm:\d+", "", kernel_text(event)) for event in found} == {
        re.sub(r"total-vm:\d+", "", kernel_text(wanted))}


def _later(log: Sequence[Record], number: int) -> list[Record]:
    """Another OOM of the same kind."""
    return [Record(record.level, record.time_us + number * 10_000_000,
                   [re.sub(r"total-vm:\d+", f"total-vm:{90000 + number}", line) for line in record.lines])
            for record in log]


def _stamped(log: Sequence[Record], more: str = "") -> list[str]:
    return [f"[{record.time_us / 1e6:12.6f}]{more} {line}" for record in log for line in record.lines]


def _shuffled(first: list[str], second: list[str], seed: int) -> str:
    """Two sequences, each in its order."""
    chance = random.Random(seed)
    merged: list[str] = []
    queues = [list(first), list(second)]
    while any(queues):
        queue = chance.choice([queue for queue in queues if queue])
        merged.append(queue.pop(0))
    return "\n".join(merged) + "\n"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("way", ["host", "caller"])
def test_two_reports_interleaved(way: str, seed: int) -> None:
    logs = [_log("6.1-memcg2-group"), _log("7.3-global")]
    if way == "host":
        parts = [[f"Jan  2 03:04:05 {host} kernel: {line}" for line in _stamped(log)] for host, log in zip("ab", logs)]
    else:
        parts = [_stamped(log, f"[  T10{number}]") for number, log in enumerate(logs)]
    found = {kernel_text(event) for event in events(_shuffled(*parts, seed=seed))}
    alone = {kernel_text(event) for log in logs for event in events("\n".join(_stamped(log)) + "\n")}
    assert found == alone


@needs_corpus
def test_two_reports_interleaved_by_parts() -> None:
    """Without any sign of whose a line is, what the kernel prints next still tells most of them apart."""
    first, second = _stamped(_log("6.1-memcg2-fault")), _stamped(_log("5.10-global"))
    cuts = [0, 1, 3, 28, 31, 33]
    merged: list[str] = []
    for number, cut in enumerate(cuts):
        stop = cuts[number + 1] if number + 1 < len(cuts) else None
        merged += first[cut:stop] + second[cut:stop]
    found = events("\n".join(merged))
    assert sorted(str(event.kind) for event in found) == ["global", "memcg"]
    assert {event.report.victim.comm for event in found if event.report.victim} == {"hog)( x", "globalhog"}


OTHERS = [
    "IPv6: ADDRCONF(NETDEV_CHANGE): veth1: link becomes ready", "EXT4-fs (sda1): mounted filesystem",
    'audit: type=1400 audit(1.2:3): apparmor="DENIED" operation="open"', "br0: port 2(veth1) entered disabled state",
    "usb 1-1: new high-speed USB device number 2 using xhci_hcd", "device veth1 entered promiscuous mode",
    "systemd[1]: foo.service: A process of this unit has been killed by the OOM killer.",
    "TCP: request_sock_TCP: Possible SYN flooding on port 80. Sending cookies.", "eth0: renamed from veth1a2b3c",
    "[UFW BLOCK] IN=eth0 OUT= MAC=00:11 SRC=1.2.3.4 DST=5.6.7.8 LEN=40", "random: crng init done",
    "python3[4711]: segfault at 0 ip 00007f0000001000 sp 00007ffd00001000 error 4 in libc.so.6[7f0000000000+1000]",
    "INFO: task jbd2/sda1-8:123 blocked for more than 120 seconds.", "perf: interrupt took too long (2510 > 2500)",
    "nfs: server 10.0.0.1 not responding, still trying", "clocksource: timekeeping watchdog on CPU1",
]


@pytest.mark.parametrize("name", ["6.1-memcg2-group", "7.3-global", "5.10-v1-memcg1-fault"])
def test_foreign_lines_are_not_of_the_report(name: str) -> None:
    chance = random.Random(name)
    lines = _stamped(_log(name))
    wanted, = events("\n".join(lines))
    noisy: list[str] = []
    for line in lines:
        noisy += [line] + [line[:15] + chance.choice(OTHERS) for _ in range(chance.choice((0, 0, 1, 2)))]
    found, = events("\n".join(noisy))
    assert kernel_text(found) == kernel_text(wanted)
    assert found.origin.missing == wanted.origin.missing == ()


def test_a_line_that_no_row_knows_stays_at_its_place() -> None:
    lines = SEED.splitlines()
    lines.insert(20, lines[20][:15] + "memory pressure: 12kB of a newer kernel")
    event, = events("\n".join(lines))
    assert [line.text for line in event.origin.lines if line.row is None] == ["memory pressure: 12kB of a newer kernel"]
    assert kernel_text(event) == "".join(line[15:] + "\n" for line in lines)
    assert event.origin.lines[20].number == 21


# Parts of reports.

def _part(first: int, last: int = 28) -> OomEvent:
    event, = events("".join(SEED.splitlines(keepends=True)[first:last]))
    return event


def test_the_last_two_lines() -> None:
    event = _part(26)
    assert event.kind == "memcg" and event.report.verdict is not None and event.report.victim is not None
    assert event.report.victim.comm == "python" and event.report.verdict.score == 973
    assert event.origin.missing == ("first line", "CPU line", "call trace", "memory cgroup usage",
                                    "memory cgroup statistics",
                             "task table")


def test_without_its_head_and_without_its_tail() -> None:
    assert _part(18).origin.missing == ("first line", "CPU line", "call trace")
    tail = _part(0, 23)
    assert tail.origin.missing == ("task table", "Kill process line", "Killed process line")
    assert tail.report.memcg is not None and tail.report.memcg.path == "/foo"


def test_a_table_that_is_cut() -> None:
    lines = SEED.splitlines(keepends=True)
    event, = events("".join(lines[:25] + lines[26:]))
    assert event.origin.missing == ("part of the task table",)


@pytest.mark.parametrize("cut", range(1, len(SEED), 97))
def test_truncated_at_any_byte(cut: int) -> None:
    """From the first line on there is one report, and what it says is what the whole one says."""
    whole, = events(SEED)
    found = events(SEED[:cut])
    assert len(found) == (1 if cut > 45 else 0)
    for event in found:
        assert event.report.trigger.comm == "python"
        tasks, kills = (whole.report.tasks or (), event.report.tasks or ()), (whole.report.kills, event.report.kills)
        for wanted, part in (tasks, kills):
            for complete, one in zip(wanted, part):
                assert one.pid == complete.pid
        assert SEED_TEXT.startswith(kernel_text(event).rstrip("\n"))


@needs_corpus
def test_a_table_switched_off_is_not_missing() -> None:
    for name in ("5.10-numa-oom_dump_tasks0", "7.3-numa-oom_dump_tasks0"):
        event, = events(_raw(name))
        assert event.report.tasks is None and event.origin.missing == ()


# Streams.

def test_a_live_stream_gives_each_event_as_its_last_line_arrives() -> None:
    reading, writing = os.pipe()
    found: list[OomEvent] = []
    arrived = threading.Event()

    def consume() -> None:
        with os.fdopen(reading, "rb") as stream:
            for event in read(stream):
                found.append(event)
                arrived.set()

    thread = threading.Thread(target=consume, daemon=True)
    thread.start()
    with os.fdopen(writing, "wb", buffering=0) as stream:
        for report in (SEED, OTHER):
            arrived.clear()
            for line in report.splitlines(keepends=True):
                stream.write(line.encode())
            assert arrived.wait(60)  # the stream is still open
    thread.join(60)
    assert [event.origin.missing for event in found] == [(), ()]


@pytest.mark.parametrize("size", [1, 7, 100, 4096])
def test_pieces_of_any_size(size: int) -> None:
    data = (SEED + "x\n" * 300 + OTHER).encode()
    found = list(read(data[at: at + size] for at in range(0, len(data), size)))
    assert [kernel_text(event) for event in found] == [SEED_TEXT, OTHER_TEXT]
    assert [event.origin.lines[0].number for event in found] == [1, 329]


def test_the_reaper_comes_later() -> None:
    reaped = "[  123.000000] oom_reaper: reaped process 1399 (python), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB\n"
    event, = events(SEED + "[  122.5] usb 1-1: new device\n" * 20 + reaped)
    assert [reap.pid for reap in event.report.reaps] == [1399]


def test_memory_is_bounded() -> None:
    """A gigabyte would take too long here; what is held does not grow with the input."""
    import tracemalloc

    def pieces(count: int) -> object:
        for _ in range(count):
            yield b"x" * (1 << 20)  # one line without an end
        yield b"\n" + SEED.encode()

    tracemalloc.start()
    found = list(read(pieces(64)))  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [event.kind for event in found] == ["memcg"]
    assert peak < 16 << 20


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed(pack: object, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(pack(SEED.encode()))  # type: ignore[operator]
    with opened(str(path)) as stream:
        event, = read(stream)
    assert kernel_text(event) == SEED_TEXT


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_in_pieces(pack: Any, size: int) -> None:
    """As a pipe gives them; an archive may have several parts (``cat``)."""
    data = pack(SEED.encode()) + pack(("x\n" * 300 + OTHER).encode())
    found = read(data[at: at + size] for at in range(0, len(data), size))
    assert [kernel_text(event) for event in found] == [SEED_TEXT, OTHER_TEXT]


def test_a_damaged_archive_in_pieces() -> None:
    data = gzip.compress(SEED.encode() + bytes(range(256)) * 500)[:-20]
    found = []
    with pytest.raises(OomtraceError) as error:
        for event in read(iter([b"", data[:1], b"", data[1:]])):
            found.append(kernel_text(event))
    assert found == [SEED_TEXT] and error.value.status == 4


def test_what_is_compressed_is_read_as_it_comes() -> None:
    packer = zlib.compressobj(wbits=31)

    def pieces() -> Iterator[bytes]:
        yield packer.compress((SEED + "x\n" * 700).encode()) + packer.flush(zlib.Z_SYNC_FLUSH)
        raise AssertionError("the first report was not told before more was asked for")

    assert kernel_text(next(read(pieces()))) == SEED_TEXT


def test_a_terminal_that_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"x")

    def gone(*_: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with open(reader, "rb", buffering=0) as stream, open(writer, "wb"), pytest.raises(OomtraceError) as error:
        monkeypatch.setattr(os, "read", gone)
        list(read(stream))
    assert error.value.status == 4


def test_utf_16() -> None:
    """What a PowerShell makes of ``dmesg > file``."""
    event, = events(SEED.encode("utf-16"))
    assert kernel_text(event) == SEED_TEXT


def test_zstd(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / "log.zst"
    path.write_bytes(zstandard.compress(SEED.encode()))
    with opened(str(path)) as stream:
        assert len(list(read(stream))) == 1


def test_a_damaged_archive(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(SEED.encode())[:200])
    with pytest.raises(OomtraceError) as error, opened(str(path)) as stream:
        list(read(stream))
    assert error.value.hint and str(path) in error.value.message


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(OomtraceError) as error:
            opened(str(path))
        assert error.value.hint and error.value.status == 4

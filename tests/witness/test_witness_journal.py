"""What a killer has written into the journal: with a journalctl of our own, and what Debian's programs write."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from oomtrace.model import Killed, Sender, Signalled
from oomtrace.witness import journal, marks
from tests.events import made

NS = 1_000_000_000
RUN = subprocess.run
OOMD = [
    "No swap; memory pressure usage will be degraded",
    "Killed /system.slice/press.service due to memory pressure for /system.slice/press.service being 41.00% > 5.00% "
    "for > 1s with reclaim activity",
]
EARLYOOM = [
    "mem avail:   653 of   972 MiB (67.20%), swap free:    0 of    0 MiB ( 0.00%)",
    "low memory! at or below SIGKILL limits: mem 90.00%, swap 100.00%",
    'sending SIGKILL to process 571 uid 0 "python3": badness 1372, VmRSS 107 MiB',
    "process exited after 0.1 seconds",
]
SYSTEMD = [
    "other.service: Stopping timed out. Killing.",
    "stubborn.service: State 'stop-sigterm' timed out. Killing.",
    "stubborn.service: Killing process 604 (python3) with signal SIGKILL.",
]
# nohang 0.2.0 and oomd 0.5.0, Debian's.
NOHANG = [
    "Memory status that requires corrective actions:",
    "  MemAvailable [295 MiB, 30.4 %] <= soft_threshold_min_mem [486 MiB, 50.0 %]",
    "  SwapFree [0 MiB, 0.0 %] <= soft_threshold_min_swap [0 MiB, - %]",
    "Implementing a corrective action:",
    "  Sending SIGTERM to the victim",
    "  [ OK ] Sending SIGTERM to python3: 1",
]
FACEBOOK = [
    "[Ruleset.cpp:161] DetectorGroup=it is there has fired for Ruleset=too large. Running action chain.",
    "[BaseKillPlugin.cpp:478] Killed 1: 372(python3)",
    "[Log.cpp:117] 0.00 0.00 0.00 system.slice/large.service 34308096 ruleset:[too large] detectorgroup:[it is there] "
    "killer:kill_by_memory_size_or_growth v2",
]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the lines that journalctl gives; what it was asked goes into ``asked`` beside it."""
    lines = tmp_path / "lines"
    command = tmp_path / "journalctl"
    command.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/asked\n[ -e {tmp_path}/slow ] && exec sleep 60\n'
                       f'cat {lines}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    # A shell may take long to start on a busy machine.
    monkeypatch.setattr(journal.subprocess, "run", lambda words, **how: RUN(words, **{**how, "timeout": 60}))
    monkeypatch.setattr(journal, "_PATIENCE_S", 0.5)
    return lines


def said(comm: str, memcg: str = "/system.slice/stubborn.service") -> "tuple[str, ...]":
    victim = Signalled(604, "python3", 9, True, 1, memcg=memcg)
    return journal.said(made(killed=Killed(sender=Sender(300, comm), victims=(victim,)), unix_ns=1000 * NS))


@pytest.mark.parametrize(
    "comm, lines, expected",
    [
        ("systemd-oomd", OOMD, OOMD[1:]),
        ("earlyoom", EARLYOOM, EARLYOOM[1:3]),
        ("earlyoom", [*EARLYOOM, EARLYOOM[1]], EARLYOOM[1:3]),
        ("systemd", SYSTEMD, SYSTEMD[1:]),
        ("nohang", NOHANG, [NOHANG[1].strip(), NOHANG[4].strip()]),
        ("oomd", FACEBOOK, FACEBOOK[2:3]),
        ("nohang", ["idle"], []),
    ],
)
def test_the_reason_is_found(written: Path, comm: str, lines: "list[str]", expected: "list[str]") -> None:
    written.write_text("\n".join(lines) + "\n")
    assert said(comm) == tuple(expected)
    assert "_PID=300 --since=@990" in (written.parent / "asked").read_text()


UID = "2b7a1f0e-33aa-4c70-9d22-0123456789ab"
POD = f"/kubepods.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice/cri-containerd-{'ab' * 32}.scope"
# As kubelet 1.31 writes them (pkg/kubelet/eviction/eviction_manager.go, kuberuntime/kuberuntime_container.go).
EVICTED = 'I1129 eviction_manager.go:394] "Eviction manager: pods ranked for eviction" pods=["shop/orders","shop/web"]'
OTHER = 'I1129 eviction_manager.go:394] "Eviction manager: pods ranked for eviction" pods=["shop/web","shop/orders"]'
STOPPED = (f'I1129 kuberuntime_container.go] "Killing container with a grace period" pod="shop/orders" podUID="{UID}" '
           f'containerName="app" containerID="containerd://{"ab" * 32}" gracePeriod=30')
SYNC = 'I1129 kubelet.go:2482] "SyncLoop (PLEG): event for pod" pod="shop/orders"'


@pytest.mark.parametrize(
    "lines, expected",
    [([OTHER, EVICTED, STOPPED, SYNC], [EVICTED, STOPPED]), ([OTHER, STOPPED], [STOPPED]), ([OTHER, SYNC], [])],
)
def test_of_a_pod_the_kubelet_is_asked(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: "list[str]", expected: "list[str]"
) -> None:
    (tmp_path / "pods" / f"shop_orders_{UID}").mkdir(parents=True)
    monkeypatch.setattr(journal, "_POD_LOGS", str(tmp_path / "pods"))
    written.write_text("\n".join(lines) + "\n")
    assert said("runc", POD) == tuple(line[:300] for line in expected)
    asked = (written.parent / "asked").read_text()
    assert "_COMM=kubelet" in asked and "--since=@910" in asked


def test_a_pod_without_a_name_is_found_by_its_uid(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_POD_LOGS", "/nonexistent")
    written.write_text(f"{EVICTED}\n{STOPPED}\n")
    assert said("runc", POD) == (STOPPED[:300],) == said("containerd-shim", POD)
    assert said("bash", POD) == () == said("runc")


def test_what_oomd_notes_on_a_cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "_CGROUPS", str(tmp_path))
    (tmp_path / "app.slice" / "press.service").mkdir(parents=True)
    victim = Signalled(604, "python3", 9, True, 1, memcg="/app.slice/press.service")
    event = made(killed=Killed(sender=Sender(300, "systemd-oomd"), victims=(victim,)))
    assert marks.oomd_kills(event) is None
    try:
        os.setxattr(tmp_path / "app.slice", "user.oomd_kill", b"7")
    except OSError:
        pytest.skip("the file system of the temporary folder has no extended attributes")
    assert marks.oomd_kills(event) == 7, "noted on the cgroup above"
    assert marks.oomd_kills(made(killed=Killed(sender=Sender(300, "earlyoom"), victims=(victim,)))) is None
    assert marks.oomd_kills(made()) is None


def test_others_are_not_asked_about(written: Path) -> None:
    assert said("bash") == () and not (written.parent / "asked").exists()
    assert journal.said(made()) == ()


def test_a_journal_that_takes_long_is_not_waited_for(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal.subprocess, "run", RUN)
    (written.parent / "slow").touch()
    assert said("earlyoom") == ()


def test_no_journal(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert said("earlyoom") == ()


def test_a_journal_that_lags_is_asked_again(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_AGAIN_S", 0.123)
    monkeypatch.setattr(journal, "_PATIENCE_S", 600.0)
    written.write_text("\n".join(EARLYOOM[:2]) + "\n")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        if seconds == 0.123:  # subprocess sleeps, too
            slept.append(seconds)
            written.write_text("\n".join(EARLYOOM) + "\n")

    monkeypatch.setattr("time.sleep", sleep)
    assert said("earlyoom") == tuple(EARLYOOM[1:3]) and len(slept) == 1

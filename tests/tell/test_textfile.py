"""The counters for node_exporter: what counts where, what stays after a restart, what is never a label."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from oomtrace import tell
from oomtrace.errors import OomtraceError
from oomtrace.model import (
    Container,
    Failure,
    Kill,
    Killed,
    Look,
    Machine,
    Memcg,
    Occasion,
    Release,
    Sender,
    Sent,
    Signalled,
    Wait,
    Witness,
)
from oomtrace.tell import textfile
from tests.events import changed, made

POD = "2b7a1f0e-33aa-4c70-9d22-0123456789ab"
ID = "0123456789abcdef" * 4
CONTAINER = f"/kubepods.slice/kubepods-pod{POD.replace('-', '_')}.slice/cri-containerd-{ID}.scope"


def _oom(path: str = "/system.slice/web.service", pids: "tuple[int, ...]" = (7,)) -> object:
    return made(kind="memcg", memcg=Memcg(path=path), kills=tuple(Kill(pid, "hog") for pid in pids),
                machine=Machine(page_kb=4), releases=tuple(Release(pid, "exit", 5, 100) for pid in pids))


def _lines(folder: Path) -> "list[str]":
    return [line for line in (folder / textfile.NAME).read_text().splitlines() if not line.startswith("#")]


def test_an_oom_counts_for_its_owner(tmp_path: Path) -> None:
    channel = textfile.opened(str(tmp_path))
    channel.tell(_oom(), None)
    channel.tell(_oom(CONTAINER, (8, 9)), None)
    lines = _lines(tmp_path)
    assert 'oomtrace_ooms_total{kind="memcg",unit="web.service"} 1' in lines
    assert f'oomtrace_killed_processes_total{{kind="memcg",container="{ID[:12]}",pod="{POD}"}} 2' in lines
    assert f"oomtrace_freed_bytes_total {3 * 100 * 4096}" in lines


def test_a_runtimes_own_names_are_labels(tmp_path: Path) -> None:
    """They stay when a container is made anew; its id does not."""
    seen = Container(ID, "containerd", "etl", pod="orders-7c9", pod_namespace="shop", pod_uid=POD, cgroup=CONTAINER)
    event = changed(_oom(CONTAINER), witness=Witness((Look(Occasion.OOM, 1, containers=(seen,)),)))
    textfile.opened(str(tmp_path)).tell(event, None)
    labels = 'kind="memcg",container="etl",pod="orders-7c9",namespace="shop"'
    assert f"oomtrace_ooms_total{{{labels}}} 1" in _lines(tmp_path)


def test_looks_near_a_limit_are_counted_on_after_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        channel = textfile.opened(str(tmp_path))
        tell.count_looks([channel], lambda: 3)
        channel.close()
    assert "oomtrace_near_limit_looks_total 6" in _lines(tmp_path)


def test_a_kill_by_somebody_else_is_no_oom(tmp_path: Path) -> None:
    channel = textfile.opened(str(tmp_path))
    victims = (Signalled(9, "hog", 9, True, 1, memcg="/system.slice/web.service"),)
    for sender in (Sender(300, "systemd-oomd"), Sender(50, "bash")):
        channel.tell(made(kind="killed", killed=Killed(Sent.PROCESS, sender, victims)), None)
    channel.tell(made(kind="killed", killed=Killed(Sent.SECCOMP, Sender(9, "hog"), victims)), None)
    lines = [line for line in _lines(tmp_path) if "web.service" in line]
    assert sorted(lines) == [f'oomtrace_kills_by_others_total{{kind="{kind}",unit="web.service"}} 1'
                             for kind in ("process", "seccomp", "systemd_oomd")]


def test_counters_are_there_before_the_first_oom(tmp_path: Path) -> None:
    textfile.opened(str(tmp_path))
    assert "oomtrace_records_lost_total 0" in _lines(tmp_path)
    assert stat.S_IMODE(os.stat(tmp_path / textfile.NAME).st_mode) == 0o644


def test_counters_go_on_after_a_restart(tmp_path: Path) -> None:
    strange = "/a\"b\\c\nd.service"
    for _ in range(3):
        channel = textfile.opened(str(tmp_path))
        channel.tell(_oom(strange), None)
        channel.tell(_oom(), None)
        channel.close()
    lines = _lines(tmp_path)
    assert 'oomtrace_ooms_total{kind="memcg",unit="web.service"} 3' in lines
    assert sum(line.startswith("oomtrace_ooms_total") for line in lines) == 2
    assert all("hog" not in line for line in lines)


def test_what_is_no_oom_counts_apart(tmp_path: Path) -> None:
    channel = textfile.opened(str(tmp_path))
    channel.tell(made(kind="memcg", wait=Wait(over=False)), None)
    channel.tell(made(kind="memcg", wait=Wait(over=True, time_ns=5)), None)
    channel.tell(made(kind="memcg", failure=Failure(4), records_lost=3), None)
    lines = _lines(tmp_path)
    assert "oomtrace_waits_total 1" in lines and "oomtrace_failed_charges_total 5" in lines
    assert "oomtrace_records_lost_total 3" in lines
    assert not any(line.startswith("oomtrace_ooms_total") for line in lines)


def test_labels_are_bounded(tmp_path: Path) -> None:
    channel = textfile.opened(str(tmp_path))
    for number in range(textfile.MOST_SERIES + 50):
        channel.tell(_oom(f"/system.slice/job-{number}.service"), None)
    series = [line for line in _lines(tmp_path) if line.startswith("oomtrace_ooms_total")]
    assert len(series) == textfile.MOST_SERIES + 1
    assert sum(int(line.rsplit(" ", 1)[1]) for line in series) == textfile.MOST_SERIES + 50


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OomtraceError, match="--textfile"):
        textfile.opened(str(tmp_path / "none"))


def test_a_folder_that_goes_away_loses_no_count(tmp_path: Path) -> None:
    folder, away = tmp_path / "a", tmp_path / "b"
    folder.mkdir()
    channel = textfile.opened(str(folder))
    folder.rename(away)
    with pytest.raises(OSError):
        channel.tell(_oom(), None)
    away.rename(folder)
    channel.tell(_oom(), None)
    assert 'oomtrace_ooms_total{kind="memcg",unit="web.service"} 2' in _lines(folder)
    assert [path.name for path in folder.iterdir()] == [textfile.NAME], "no temporary file is left"


def test_a_file_of_somebody_else_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / textfile.NAME).write_bytes(b"oomtrace_ooms_total{kind= 5\n\xff\n")
    textfile.opened(str(tmp_path)).tell(_oom(), None)
    assert 'oomtrace_ooms_total{kind="memcg",unit="web.service"} 1' in _lines(tmp_path)

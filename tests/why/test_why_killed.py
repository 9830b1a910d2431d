"""What is said of kills by others than the OOM killer."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from oomtrace import output, why
from oomtrace.model import (
    Killed,
    MachineMemory,
    MemcgLevel,
    OomEvent,
    Pressure,
    Sender,
    Sent,
    Signalled,
)
from oomtrace.output import read_json
from oomtrace.why.causes.sender import Sender as By
from oomtrace.why.causes.shortness import Shortness
from oomtrace.why.causes.signalled import Signalled as Whom
from oomtrace.why.ended import Ended
from oomtrace.why.senders import Role, signal_name
from tests.events import made

HOG = Signalled(60, "hog", 9, True, 7, uid=1000, memcg="/job", anon_rss_kb=20480, file_rss_kb=0, shmem_rss_kb=0)
PLENTY = MachineMemory(ram_kb=1 << 20, free_kb=1 << 19, file_kb=1 << 18, pressure=Pressure(some_avg10=0.0))
SHORT = MachineMemory(ram_kb=1 << 20, free_kb=1 << 14, file_kb=1 << 14, swap_free_kb=0, swap_total_kb=1 << 19)
KILL = Sender(50, "kill", "kill -9 60", 0, "/user.slice", 49, "bash")


def killed(**values: Any) -> OomEvent:
    levels = values.pop("levels", (MemcgLevel("/job", 20480, 65536), MemcgLevel("/", 40960)))
    known = {"how": Sent.PROCESS, "sender": KILL, "victims": (HOG,), "machine": PLENTY}
    return made(kind="killed", killed=Killed(**{**known, **values}), levels=levels)


def reasons(event: OomEvent) -> set[Any]:
    return {reason for finding in why.explain(event).findings for reason in finding.reasons}


def test_a_plain_kill() -> None:
    found = why.explain(killed())
    assert found.headline == "kill (50) killed hog (60), which held 20.0 MiB, with SIGKILL."
    assert [finding.id for finding in found.findings] == ["sender", "signalled", "shortness"]
    assert reasons(killed()) == {
        By.PROCESS, By.COMMAND_LINE, By.PARENT, By.PLACE, Whom.VICTIM, Whom.PLACE, Whom.NO_OOM, Shortness.LIMITED,
        Shortness.MACHINE, Shortness.CALM, Shortness.NOT_SHORT,
    }
    assert not found.amounts and not found.ranking and not found.suggestions


@pytest.mark.parametrize(
    ("comm", "command_line", "role"),
    [
        ("systemd-oomd", None, Role.SYSTEMD_OOMD),
        ("earlyoom", "/usr/bin/earlyoom -r 3600", Role.EARLYOOM),
        ("python3", "/usr/bin/python3 /usr/sbin/nohang --monitor", Role.NOHANG),
        ("containerd-shim", "/usr/bin/containerd-shim-runc-v2 -namespace k8s.io", Role.RUNTIME),
        ("nohang", None, Role.NOHANG),
        ("oomd", "oomd --interval 1", Role.OOMD),
        *((name, None, Role.RUNTIME) for name in ("runc", "youki", "runsc", "containerd", "dockerd", "podman", "crio")),
        ("6", "/usr/bin/crun kill ab 9", Role.RUNTIME),
        ("crun", "crun kill abc", Role.RUNTIME),
        ("conmon", None, Role.RUNTIME),
        ("systemd", "/sbin/init", Role.SYSTEMD),
        ("kubelet", None, Role.KUBELET),
        ("bash", "bash", None),
        ("vim", "vim /etc/earlyoom.conf", None),
    ],
)
def test_programs_that_are_known(comm: str, command_line: str, role: Any) -> None:
    sender = Sender(50, comm, command_line)
    assert {reason for reason in reasons(killed(sender=sender)) if isinstance(reason, Role)} == ({role} - {None})


@pytest.mark.parametrize("how", list(Sent))
def test_each_way_has_a_headline(how: Sent) -> None:
    said = why.explain(killed(how=how, sender=Sender(60, "hog"))).headline
    assert "hog (60)" in said and "?" not in said, said


def test_many_and_their_reason() -> None:
    others = tuple(Signalled(pid, "worker", 9, True, 8, memcg="/job", anon_rss_kb=100 * pid) for pid in (61, 62, 63))
    line = "Killed /job due to memory pressure for /job being 70.12% > 60.00% for > 20s with reclaim activity"
    oomd = Sender(300, "systemd-oomd", "/lib/systemd/systemd-oomd", 998, "/system.slice/systemd-oomd.service")
    stalls = Pressure(70.1, full_avg10=60.0)
    event = killed(sender=oomd, victims=(HOG, *others), said=(line,), machine=SHORT, pressure=stalls)
    found = why.explain(event)
    assert found.headline == "systemd-oomd (300) killed hog (60) and 3 other processes, with SIGKILL."
    assert line in str(found.finding("sender"))
    assert {By.SAID, Whom.VICTIMS, Shortness.MACHINE_SHORT, Shortness.PRESSURE, Shortness.SWAP} <= reasons(event)


POD = "/kubepods.slice/kubepods-pod2b7a1f0e_33aa_4c70_9d22_0123456789ab.slice/cri-containerd-" + "ab" * 32 + ".scope"


def test_the_kubelet_has_the_runtime_kill() -> None:
    inside, runc = replace(HOG, memcg=POD), Sender(50, "runc", "runc kill ab 9")
    evicted = killed(sender=runc, victims=(inside,), said=('"Eviction manager: pods ranked" pods=["shop/orders"]',))
    found = why.explain(evicted)
    assert found.headline == "The kubelet evicted a pod: runc (50) ended hog (60), which held 20.0 MiB, with SIGKILL."
    assert {Role.EVICTION, By.KUBELET_SAID} <= reasons(evicted) and By.SAID not in reasons(evicted)
    unknown = killed(sender=runc, victims=(inside,))
    assert Role.POD in reasons(unknown), "stopped or evicted: nothing here tells"
    assert why.explain(unknown).headline_reason is Ended.KILLED_BY
    assert Role.RUNTIME in reasons(killed(sender=runc)), "no pod"


def test_what_oomd_has_noted() -> None:
    event = killed(sender=Sender(300, "systemd-oomd"), oomd_kills=3)
    assert By.NOTED in reasons(event) and "3 processes" in str(why.explain(event).finding("sender"))


def test_near_the_limit() -> None:
    near = (MemcgLevel("/pod/c", 100, None), MemcgLevel("/pod", 950, 1000), MemcgLevel("/", 5000))
    finding = why.explain(killed(levels=near)).finding("shortness")
    assert finding is not None and finding.reason is Shortness.MEMCG_NEAR
    assert finding.value("memcg.path") == "/pod" and finding.value("limit_percent") == 95.0


def test_asked_to_end() -> None:
    asked = Signalled(60, "hog", 15, False, 7)
    assert why.explain(killed(victims=(asked,))).headline_reason is Ended.ASKED_BY
    before = Signalled(60, "hog", 9, True, 7, asked_ns=10_000_000_000, asked_by_pid=1, asked_by_comm="systemd")
    said = why.explain(killed(victims=(before,))).finding("signalled")
    assert said is not None and "systemd (1) had asked it to end (SIGTERM) 10.000 s before" in said.sentence


def test_what_is_lost() -> None:
    assert why.explain(killed(victims=(), sender=None)).headline_reason is Ended.UNKNOWN
    assert By.NOT_SHOWN in reasons(killed(sender=None))


def test_names_of_signals() -> None:
    assert [signal_name(number) for number in (1, 9, 15, 31, 34)] == [
        "SIGHUP", "SIGKILL", "SIGTERM", "SIGSYS", "signal 34"
    ]


@pytest.mark.parametrize("form", ["text", "why", "kernel", "json", "jsonl", "yaml", "html"])
def test_every_format_takes_it(form: str) -> None:
    stream = io.StringIO()
    writer = output.writer(form, stream, colour=False)
    writer.event(killed())
    writer.finish()
    said = stream.getvalue()
    if form == "kernel":
        assert said == "", "the kernel says nothing of it"
    else:
        assert "kill (50) killed hog (60)" in said
        assert "Out of memory" not in said


def test_json_is_read_back() -> None:
    stream = io.StringIO()
    output.writer("jsonl", stream).event(killed())
    line = json.loads(stream.getvalue())
    assert line["event"]["killed"]["sender"]["comm"] == "kill"
    (entry,) = read_json.entries([stream.getvalue().encode()])
    assert read_json.event(entry).killed == killed().killed

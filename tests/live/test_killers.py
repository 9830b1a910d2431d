"""Who kills besides the OOM killer, for real: Debian's systemd-oomd and earlyoom, systemd, podman, cgroup.kill, a
person, the kernel. In one boot of each kernel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vm import boot, matrix
from vm.spec import RunSpec

KILL, TERM = 9, 15


WITHOUT_OOMD = ("5.10",)  # Debian 11 has none
WITHOUT_CGROUP_KILL = ("5.10",)  # 5.14+
WITHOUT_SECCOMP_SIGNAL = ("5.10",)  # up to 5.15 the process just ends
WITH_THE_OTHERS = "6.1"  # its image has nohang, oomd and containerd as well
OPTIONS = {"5.10": "psi=1"}  # Debian's kernels measure pressure by themselves since 6.1


@pytest.fixture(scope="module", params=matrix.names())
def told(request: pytest.FixtureRequest) -> "dict[str, Any]":
    """The kills of each trace, by its --kills; what crawled; what else was printed; the kernel."""
    spec = RunSpec(kernel=request.param, variant="killers", timeout=1500, append=OPTIONS.get(request.param, ""))
    result = boot.check(boot.run(spec, ["sh", "tests/guest/killers.sh"]))
    lines = result.stdout.decode("utf-8", "replace").splitlines()
    print("\n".join(lines))
    events = {mode: [json.loads(line[len(mode) + 1:])["event"] for line in lines if line.startswith(f"{mode} {{")]
              for mode in ("near", "all")}
    assert not [event for found in events.values() for event in found if event["trace"]["records_lost"]]
    crawled = [event for found in events.values() for event in found if event["trace"]["throttle"]]
    kills = {mode: [event["killed"] for event in found if event["killed"]] for mode, found in events.items()}
    return {**kills, "crawled": crawled, "lines": lines, "kernel": request.param}


def of(kills: "list[Any]", place: str) -> Any:
    """The one kill in a memory cgroup whose path has that in it."""
    found = [kill for kill in kills if any(place in (victim["memcg"] or "") for victim in kill["victims"])]
    assert len(found) == 1, [(kill["sender"]["comm"], kill["victims"][0]["memcg"]) for kill in kills]
    return found[0]


@pytest.mark.vm
@pytest.mark.long
class TestKillers:
    def test_systemd_oomd(self, told: "dict[str, Any]") -> None:
        if told["kernel"] in WITHOUT_OOMD:
            pytest.skip("this Debian has no systemd-oomd")
        kill = of(told["near"], "press.service")
        assert (kill["how"], kill["sender"]["comm"]) == ("process", "systemd-oomd")
        assert kill["victims"][0]["signal"] == KILL and kill["pressure"]["some_avg10"] > 0
        assert any("due to memory pressure" in line for line in kill["said"]), kill["said"]
        assert kill["oomd_kills"] in (None, len(kill["victims"])), "it may note that later than we look"

    def test_earlyoom(self, told: "dict[str, Any]") -> None:
        kill = of(told["near"], "eater.service")
        assert kill["sender"]["comm"] == "earlyoom" and "--prefer python3" in kill["sender"]["command_line"]
        assert kill["victims"][0]["anon_rss_kb"] > 100 << 10
        assert any("sending SIG" in line for line in kill["said"]), kill["said"]

    def test_nohang(self, told: "dict[str, Any]") -> None:
        if told["kernel"] != WITH_THE_OTHERS:
            pytest.skip("it is tried on one kernel")
        kill = of(told["near"], "hungry.service")
        assert kill["sender"]["comm"] == "nohang" and kill["victims"][0]["signal"] == TERM
        assert any("<= soft_threshold_min_mem" in line for line in kill["said"]), kill["said"]

    def test_oomd(self, told: "dict[str, Any]") -> None:
        if told["kernel"] != WITH_THE_OTHERS:
            pytest.skip("it is tried on one kernel")
        kill = of(told["near"], "large.service")
        assert kill["sender"]["comm"] == "oomd" and kill["victims"][0]["signal"] == KILL
        assert any("ruleset:[too large]" in line for line in kill["said"]), kill["said"]

    def test_others_are_not_near(self, told: "dict[str, Any]") -> None:
        assert not [victim for kill in told["near"] for victim in kill["victims"] if victim["comm"] == "sleep"]

    def test_cgroup_kill(self, told: "dict[str, Any]") -> None:
        if told["kernel"] in WITHOUT_CGROUP_KILL:
            pytest.skip("this kernel has no cgroup.kill")
        kills = [kill for kill in told["all"] if kill["victims"][0]["memcg"] == "/together"]
        assert {kill["how"] for kill in kills} == {"cgroup.kill"}
        assert sum(len(kill["victims"]) for kill in kills) == 2, "in one event, where the kernel takes less than 0.2 s"

    def test_systemd_stops_a_unit(self, told: "dict[str, Any]") -> None:
        kill = of(told["all"], "stubborn.service")
        (victim,) = kill["victims"]
        assert (kill["sender"]["pid"], victim["signal"], victim["asked_by_comm"]) == (1, KILL, "systemd")
        assert 2.5e9 < victim["asked_ns"] < 120e9
        polite = of(told["all"], "polite.service")
        assert [(victim["signal"], victim["fatal"]) for victim in polite["victims"]] == [(TERM, False)]

    def test_podman_stops_a_container(self, told: "dict[str, Any]") -> None:
        kill = of(told["all"], "/libpod")
        # crun runs a copy of itself, whose name may be the number of a descriptor
        assert kill["sender"]["command_line"].startswith("/usr/bin/crun ") and kill["sender"]["parent_comm"] == "podman"
        assert " kill " in kill["sender"]["command_line"] and kill["victims"][0]["signal"] == KILL

    def test_containerd_kills_a_container(self, told: "dict[str, Any]") -> None:
        if told["kernel"] != WITH_THE_OTHERS:
            pytest.skip("it is tried on one kernel")
        kill = of(told["all"], "/shut")
        assert kill["sender"]["parent_comm"].startswith("containerd-shim"), kill["sender"]
        assert " kill " in kill["sender"]["command_line"] and kill["victims"][0]["signal"] == KILL

    def test_a_kubelet_evicts_a_pod(self, told: "dict[str, Any]") -> None:
        kill = of(told["all"], "/kubepods")
        assert kill["sender"]["comm"] == "runc" and any("ranked for eviction" in line for line in kill["said"])

    def test_memory_high_slows_down(self, told: "dict[str, Any]") -> None:
        (event,) = [event for event in told["crawled"] if event["report"]["memcg"]["path"].endswith("/crawl.service")]
        assert event["report"]["trigger"]["comm"] == "python3"
        throttle = event["trace"]["throttle"]
        assert 1e9 <= throttle["slept_ns"] <= throttle["span_ns"] and throttle["sleeps"] >= 1

    def test_a_plain_kill(self, told: "dict[str, Any]") -> None:
        found = [kill for kill in told["all"] if "somebody" in (kill["sender"]["command_line"] or "")]
        assert [[victim["comm"] for victim in kill["victims"]] for kill in found] == [["sleep"]]
        assert found[0]["how"] == "process"

    def test_what_the_kernel_ends(self, told: "dict[str, Any]") -> None:
        expected = {"k-cpu": "RLIMIT_CPU", "k-fsize": "RLIMIT_FSIZE", "k-broken": "fault", "k-fault": "fault",
                    "k-parent": "parent death"}
        if told["kernel"] not in WITHOUT_SECCOMP_SIGNAL:
            expected["k-seccomp"] = "seccomp"
        if "ended: poison 7" in told["lines"]:
            expected["k-poison"] = "memory error"
        found = {victim["comm"]: kill["how"] for kill in told["all"] for victim in kill["victims"]}
        assert {comm: how for comm, how in found.items() if comm.startswith("k-")} == expected
        assert [kill["how"] for kill in told["all"] if kill["how"] == "pid namespace"]

    def test_run_tells_who_ended_its_command(self, told: "dict[str, Any]") -> None:
        said = "\n".join(line for line in told["lines"] if line.startswith("run: "))
        assert "run: 137" in said and "killed sleep" in said and "somebody" in said, said

"""In a guest: the service as docs/hooks.md and docs/metrics.md have it, and Debian's own programs that collect from it;
the journal's entries on their way to another machine, as docs/fleet.md looks at them."""

from __future__ import annotations

import json

import pytest

from tests import pages
from vm import boot
from vm.spec import RunSpec

START = "systemctl enable --now /opt/oomtrace/lib/systemd/system/oomtrace.service"


@pytest.fixture(scope="module")
def told() -> "dict[str, list[str]]":
    """What was printed, by the label before it."""
    drop_ins = [block.text for block in pages.of("by") if block.name == "tests/check/test_service_vm.py"
                and block.page in ("docs/hooks.md", "docs/metrics.md")]
    (looks,) = [block.text for block in pages.of("by") if block.page == "docs/fleet.md"]
    words = ["sh", "tests/guest/fleet.sh", START, *drop_ins, "--",
             *(line.replace("postgres", "tail") for line in looks.splitlines())]
    result = boot.check(boot.run(RunSpec(kernel="6.1", variant="fleet", timeout=1500), words))
    lines = result.stdout.decode("utf-8", "replace").splitlines()
    print("\n".join(lines), result.stderr.decode("utf-8", "replace"))
    found: dict[str, list[str]] = {}
    for label, _, said in (line.partition(": ") for line in lines):
        found.setdefault(label, []).append(said)
    return found


@pytest.mark.vm
@pytest.mark.long
class TestFleet:
    def test_a_webhook_gets_each_event(self, told: "dict[str, list[str]]") -> None:
        assert told["service"] == ["active"]
        assert told["webhook"] == ["/oom memcg tail"] * 2, told["said"]

    def test_prometheus_has_the_counters_of_both_starts(self, told: "dict[str, list[str]]") -> None:
        assert told["promtool"] == ["metrics ok", "rules ok"]
        ooms, killed = [[line for line in told["query"] if line.startswith(name)]
                        for name in ("oomtrace_ooms_total", "oomtrace_killed_processes_total")]
        for found in (ooms, killed):
            (line,) = found
            assert 'kind="memcg"' in line and 'unit="victim.service"' in line and "=> 2 " in line

    def test_the_alert_fires(self, told: "dict[str, list[str]]") -> None:
        (answer,) = [json.loads(line) for line in told["alerts"] if line.startswith("{")]
        firing = [alert["labels"] for alert in answer["data"]["alerts"] if alert["state"] == "firing"]
        assert ("OutOfMemory", "victim.service") in [(labels["alertname"], labels.get("unit")) for labels in firing]

    def test_the_journal_of_another_machine_has_it(self, told: "dict[str, list[str]]") -> None:
        said = "\n".join(told["remote"])
        assert said.count("victim.service reached its memory limit of 24.0 MiB") >= 2, said
        assert "OOMTRACE_VICTIM=tail" in said and "OOMTRACE_KIND=memcg" in said

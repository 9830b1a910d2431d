"""The counters, read by the real node_exporter and Prometheus; the rules and the dashboard, against what they serve."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from oomtrace.model import Kill, Killed, Memcg, Sender, Sent, Signalled
from oomtrace.tell import textfile
from tests.events import made
from tests.ports import free_port

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PACKAGES = ("prometheus", "prometheus-node-exporter")
_SECONDS = 120


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    """Both are Debian's packages; as root they are installed where they are missing."""
    if all(map(shutil.which, ("prometheus", "promtool", "prometheus-node-exporter"))):
        return
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip(f"{' and '.join(PACKAGES)} are not installed (apt install them)")
    words = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(words, capture_output=True, env=environment, check=False).returncode:
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)
        subprocess.run(words, capture_output=True, env=environment, check=True)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[tuple[int, textfile.Textfile]]":
    """Prometheus' port, once it scrapes an exporter that reads a folder of ours, and the channel that writes it."""
    folder = tmp_path_factory.mktemp("metrics")
    (folder / "textfile").mkdir()
    channel = textfile.opened(str(folder / "textfile"))
    channel.tell(made(kind="memcg", memcg=Memcg(path="/system.slice/web.service"), kills=(Kill(7, "hog"),)), None)
    victim = Signalled(8, "hog", 9, True, 1, memcg="/system.slice/web.service")
    channel.tell(made(kind="killed", killed=Killed(Sent.PROCESS, Sender(300, "earlyoom"), (victim,))), None)
    exporter, prometheus = free_port(), free_port()
    (folder / "prometheus.yml").write_text(json.dumps({  # JSON is YAML
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(DEPLOY / "prometheus" / "alerts.yml")],
        "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]}],
    }))
    commands = (
        ["prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
         f"--collector.textfile.directory={folder}/textfile", f"--web.listen-address=127.0.0.1:{exporter}"],
        ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
         f"--web.listen-address=127.0.0.1:{prometheus}"],
    )
    with ExitStack() as stack:
        for words in commands:
            process = stack.enter_context(subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
            stack.callback(process.wait)
            stack.callback(process.terminate)
        yield prometheus, channel


def _asked(port: int, path: str, **query: str) -> Any:
    address = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(address, timeout=60) as answer:
        return json.load(answer)["data"]


def _until(port: int, path: str, found: Any, **query: str) -> Any:
    """The answer, once ``found`` gives something of it."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            answer = found(_asked(port, path, **query))
        except OSError:
            answer = None
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{path} {query} is never as expected"
        time.sleep(0.2)


def test_prometheus_has_the_counters(served: "tuple[int, textfile.Textfile]") -> None:
    port, channel = served

    def web(answer: Any) -> Any:
        return [row for row in answer["result"] if row["metric"].get("unit") == "web.service"]

    (row,) = _until(port, "query", web, query="oomtrace_ooms_total")
    assert row["value"][1] == "1" and row["metric"]["kind"] == "memcg"
    channel.tell(made(kind="memcg", memcg=Memcg(path="/system.slice/web.service"), kills=(Kill(8, "hog"),)), None)
    again = _until(port, "query", web, query="oomtrace_killed_processes_total == 2")
    assert again[0]["value"][1] == "2"


@pytest.mark.parametrize("unit", ["web.service", "first.service"])
def test_an_oom_fires_the_alert(served: "tuple[int, textfile.Textfile]", unit: str) -> None:
    """Also the first of a unit, whose counter was not there before."""
    port, channel = served
    _until(port, "query", lambda answer: answer["result"], query="oomtrace_ooms_total")
    channel.tell(made(kind="memcg", memcg=Memcg(path=f"/system.slice/{unit}"), kills=(Kill(9, "hog"),)), None)
    firing = _until(port, "alerts", lambda answer: [
        alert for alert in answer["alerts"]
        if alert["labels"]["alertname"] == "OutOfMemory" and alert["labels"]["unit"] == unit])
    assert firing[0]["state"] == "firing" and unit in firing[0]["annotations"]["summary"]


@pytest.mark.parametrize("alert", ["MachineOutOfMemory", "KilledForWantOfMemory"])
def test_the_first_of_its_kind_fires(served: "tuple[int, textfile.Textfile]", alert: str) -> None:
    port, channel = served
    channel.tell(made(kind="global", kills=(Kill(9, "hog"),)), None)
    _until(port, "alerts", lambda answer: [each for each in answer["alerts"] if each["labels"]["alertname"] == alert])


def test_promtool_accepts_what_is_written(tmp_path: Path) -> None:
    channel = textfile.opened(str(tmp_path))
    channel.tell(made(kind="memcg", memcg=Memcg(path="/a\"\\\n\udcff.service"), kills=(Kill(7, "hog"),)), None)
    written = (tmp_path / textfile.NAME).read_bytes()
    checked = subprocess.run(["promtool", "check", "metrics"], input=written, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr.decode()
    subprocess.run(["promtool", "check", "rules", str(DEPLOY / "prometheus" / "alerts.yml")], check=True,
                   capture_output=True)


def test_the_dashboard_counts_the_first_oom_of_a_unit(served: "tuple[int, textfile.Textfile]") -> None:
    port, channel = served
    channel.tell(made(kind="memcg", memcg=Memcg(path="/system.slice/never.service"), kills=(Kill(9, "hog"),)), None)
    shown = [expression for expression in _dashboard() if "topk" in expression or "$__rate_interval" in expression]
    assert len(shown) == 2
    for expression in shown:
        (row,) = _until(port, "query", lambda answer: [
            row for row in answer["result"] if row["metric"].get("unit") == "never.service"], query=_plain(expression))
        assert row["value"][1] == "1"


def _dashboard() -> list[str]:
    """What its panels ask for."""
    dashboard = json.loads((DEPLOY / "grafana" / "oomtrace.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def _plain(expression: str) -> str:
    """With Grafana's variables filled in."""
    return re.sub(r"\$__\w+", "1h", expression).replace("$instance", ".*")


def test_rules_and_dashboard_ask_for_what_is_there(served: "tuple[int, textfile.Textfile]") -> None:
    port, _ = served
    _until(port, "query", lambda answer: answer["result"], query="oomtrace_ooms_total")
    known = set(_asked(port, "label/__name__/values"))
    asked = _dashboard()
    for expression in asked:
        _asked(port, "query", query=_plain(expression))  # raises where it is no PromQL
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    rules = [rule["expr"] for group in groups for rule in group["rules"]]
    named = set(re.findall(r"\boomtrace_\w+", " ".join([*asked, *rules])))
    assert named and named <= known

"""In a guest: real OOMs told to those who can be told, and to those who cannot; and ``oomtrace run --fit``."""

from __future__ import annotations

import json

import pytest

from tests.sdk import sdk
from vm import boot
from vm.spec import RunSpec


@pytest.fixture(scope="module", params=["6.1", "6.12"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "dict[str, list[str]]":
    """What was printed, by the label before it."""
    folder = tmp_path_factory.mktemp("sdk") / "otlp"
    folder.mkdir()
    spec = RunSpec(kernel=request.param, timeout=1500, put=[sdk(folder)])
    result = boot.check(boot.run(spec, ["sh", "tests/guest/telling.sh"]))
    lines = result.stdout.decode("utf-8", "replace").splitlines()
    print("\n".join(lines), result.stderr.decode("utf-8", "replace"))
    found: dict[str, list[str]] = {}
    for label, _, said in (line.partition(": ") for line in lines):
        found.setdefault(label, []).append(said)
    return found


def warnings(said: "list[str]", words: str) -> "list[str]":
    return [line for line in said if words in line]


@pytest.mark.vm
@pytest.mark.long
class TestTelling:
    def test_a_folder_that_cannot_be_written(self, told: "dict[str, list[str]]") -> None:
        said = told["textfile"]
        assert "events 3" in said and "status 1" in said
        assert len(warnings(said, "Read-only file system")) == 1, "one warning"
        assert sum(int(line.split()[-1]) for line in warnings(said, "oomtrace_ooms_total{")) == 3, "all are counted"

    def test_hooks_that_hang_flood_fork_fail(self, told: "dict[str, list[str]]") -> None:
        said = told["hook"]
        assert "events 6" in said and "status 1" in said
        assert "0 of its processes are left" in said
        assert len(warnings(said, "oomtrace: --exec")) <= 2, "one warning, and a count at the end"
        assert warnings(said, "of 6 failed"), said

    def test_a_collector_gets_it(self, told: "dict[str, list[str]]") -> None:
        assert "oomtrace oomtrace.oom tail" in told["otlp"] and "status 0" in told["otlp"]

    def test_a_collector_that_refuses(self, told: "dict[str, list[str]]") -> None:
        said = told["refused"]
        assert "events 2" in said and "status 1" in said and len(warnings(said, "it is tried again")) == 1

    def test_a_collector_that_is_down(self, told: "dict[str, list[str]]") -> None:
        said = told["down"]
        assert "events 100" in said and "status 1" in said and len(warnings(said, "it is tried again")) == 1
        assert len(warnings(said, "oomtrace: --otlp")) + len(warnings(said, "cannot write to --otlp")) <= 3, said
        assert warnings(said, "of the events 100 dropped"), said
        (grew,) = [int(line.split()[2]) for line in said if line.startswith("grew by")]
        assert grew < 4096

    def test_the_smallest_limit(self, told: "dict[str, list[str]]") -> None:
        assert "status 0" in told["fit"] and warnings(told["fit"], "The smallest memory limit under which it succeeds")
        found = json.loads(told["fit-json"][1])
        assert 40 << 20 < found["smallest_bytes"] < 64 << 20
        trials = found["trials"]
        assert trials[0]["limit_bytes"] == 128 << 20 and trials[0]["succeeded"] and trials[0]["seconds"] > 0
        assert any(trial["oom_kills"] for trial in trials)

    def test_what_fits_nothing(self, told: "dict[str, list[str]]") -> None:
        assert warnings(told["too-little"], "16.0 MiB are not enough") and "status 0" not in told["too-little"]
        assert warnings(told["fails"], "nothing of it was OOM-killed") and "status 1" in told["fails"]
        assert "status 2" in told["wrong"] and "status 2" in told["no-size"] and "status 127" in told["no-command"]

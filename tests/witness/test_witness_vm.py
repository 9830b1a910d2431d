"""What looks see before it is gone, in guests: tests/guest/dying.py and tests/guest/containers.py say what happens
there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from vm import boot, matrix
from vm.spec import RunSpec

FULL = (20, 10)  # containers, OOMs in each
GUEST = Path(__file__).parents[1] / "guest"
KINDS = {"who", "short", "children", "heap", "mapped", "tmpfs", "sysv", "cache", "sockets", "pipes", "stuck", "machine"}


def _lines(kernel: str, command: str, timeout: float, **wanted: Any) -> list[dict[str, Any]]:
    result = boot.check(boot.run(RunSpec(kernel=kernel, timeout=timeout, **wanted), command))
    said = result.stderr.decode("utf-8", "replace")
    assert result.status == 0, said
    print(said)  # shown where a test fails
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith(b"{")]


def _missing(lines: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {line["name"]: line["missing"] for line in lines}


@pytest.mark.vm
def test_who_it_was_and_what_had_happened() -> None:
    """Names, a look before the OOM, usage by the second."""
    (found,) = _lines("6.1", "python3 tests/guest/dying.py who", 600, cpus=1)
    assert found["missing"] == [], found
    assert "--child who --password ***` (" in found["said"]["killed"]
    assert "of user root" in found["said"]["killed"] and "It was started by sh (" in found["said"]["killed"]


def _programs(folder: Path, kernel: str) -> list[Path]:
    """One of Go and one of Java, where this machine has what makes them. Java wants a C library of today's."""
    made = []
    if shutil.which("go"):
        made.append(folder / "dying-go")
        subprocess.run(["go", "build", "-o", made[-1], GUEST / "dying.go"], check=True,
                       env={**os.environ, "CGO_ENABLED": "0"})
    if shutil.which("jlink") and shutil.which("javac") and kernel != "5.10":
        made.append(folder / "jre")
        subprocess.run(["jlink", "--add-modules", "java.base", "--strip-java-debug-attributes", "--output", made[-1]],
                       check=True)
        subprocess.run(["javac", "-d", made[-1], GUEST / "Dying.java"], check=True)
    return made


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("kernel", matrix.names())
def test_what_is_gone_after_the_kill(kernel: str, tmp_path: Path) -> None:
    """Counted in instructions: how much a look may read does not depend on what else this machine does."""
    programs = _programs(tmp_path, kernel)
    found = _missing(_lines(kernel, "python3 tests/guest/dying.py", 1800, memory=512 << 20, icount=True,
                            balloon=64 << 20, append="cma=32M", put=programs))
    kinds = KINDS | {{"dying-go": "go", "jre": "jvm"}[program.name] for program in programs}
    assert found == {kind: [] for kind in kinds}


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("kernel", ["5.10", "7.3"])
def test_a_unit_and_a_login_session(kernel: str) -> None:
    found = _missing(_lines(kernel, "python3 tests/guest/dying.py unit session", 600, variant="killers"))
    assert found == {"unit": [], "session": []}


def _named(kernel: str, runtime: str, containers: int, ooms: int, timeout: float) -> dict[str, Any]:
    command = f"python3 tests/guest/containers.py {runtime} {containers} {ooms}"
    (found,) = _lines(kernel, command, timeout, variant="containers", memory=1 << 30)
    assert found["ooms"] >= containers * ooms * 0.7, found  # a shell that is killed makes no more of them
    return found


@pytest.mark.vm
@pytest.mark.long
def test_a_container_of_podman() -> None:
    found = _named("6.1", "podman", 1, 3, 240)
    assert found["ooms"] == found["named"] == found["image"] == 3, found
    assert "container orders-etl-0 (image localhost/etl:1.4)" in found["killed"]
    assert "`tail /dev/zero`" in found["killed"]


@pytest.mark.vm
@pytest.mark.long
def test_a_container_of_a_users() -> None:
    found = _named("6.1", "rootless", 2, 3, 900)
    assert found["ooms"] == found["named"] == found["image"] == 6, found


@pytest.mark.vm
@pytest.mark.long
def test_which_containers() -> None:
    (found,) = _lines("6.1", "python3 tests/guest/containers.py filters", 400, variant="containers", memory=1 << 30)
    assert found == {"container": [1, [["orders-etl", None]]], "pod": [1, [["etl", "orders-etl-7c9"]]]}


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("kernel", ["5.10", "6.1", "7.3"])
@pytest.mark.parametrize("runtime", ["podman", "docker", "ctr"])
def test_200_ooms_in_containers_that_are_removed_at_once(kernel: str, runtime: str) -> None:
    found = _named(kernel, runtime, *FULL, 2400)
    assert found["named"] >= found["ooms"] * 0.99, found
    if runtime != "ctr":  # ctr's image is in containerd's database alone
        assert found["image"] >= found["ooms"] * 0.99, found


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("kernel", ["5.10", "6.1", "7.3"])
def test_a_storm_loses_nothing(kernel: str) -> None:
    """It begins as soon as the trace is ready: before it can read its records, more of them than its buffers hold."""
    (found,) = _lines(kernel, "python3 tests/guest/storm.py", 900, memory=1 << 30)
    assert found["events"] == found["kills"] >= 1024 and found["said"] == f"oomtrace: {found['kills']} OOMs", found
    assert found["lacking"] == [] and found["lost"] == 0, found
    assert found["whose"] == found["history"] == found["events"], found


@pytest.mark.vm
@pytest.mark.long
def test_what_the_service_may_see() -> None:
    """Under its hardening, and with the drop-in that docs/witness.md names."""
    unit, drop_in = _lines("6.1", "python3 tests/guest/hardened.py", 600, variant="systemd", memory=1 << 30)
    everyone = ["command line", "user", "unit"]
    assert (unit["seen"], unit["claimed"]) == (everyone, []), unit
    assert unit["denied"] == ["anonymous", "shared", "who"], unit
    assert unit["check"] == ["executables", "mappings", "open files", "sockets and pipes",
                             "files of a process's root", "page cache"]
    assert drop_in["seen"] == [*everyone, "executable", "mappings", "tmpfs", "memfd", "sockets", "page cache"], drop_in
    assert (drop_in["denied"], drop_in["claimed"], drop_in["check"]) == ([], [], []), drop_in

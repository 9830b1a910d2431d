"""The README's recipes do what it says, run as they stand there. The fourth: tests/check/test_service_vm.py."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes import recipe
from vm import boot
from vm.spec import RunSpec

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "tests" / "fixtures" / "data" / "6.1-memcg-v2.kmsg"

# What the second leaves to its user: something that makes an OOM, and something that is hungry.
SETTING = """
checkout=$PWD
mkdir /tmp/recipe && cd /tmp/recipe
echo "python3 $checkout/tests/guest/memcg_oom.py >/dev/null" >reproduce.sh
echo 'bytearray(1 << 29)' >hungry.py
"""


@pytest.mark.vm
def test_reproduction_in_a_vm() -> None:
    done = subprocess.run(["sh", "-ec", recipe(1)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("/a reached its memory limit of 64.0 MiB") and "biggest" in done.stdout
    assert "ancestor: 1 OOM, 1 kill in" in done.stderr


@pytest.mark.vm
def test_one_shot_script() -> None:
    recipe_file = f"cat >/tmp/recipe.sh <<'END'\n{recipe(2)}END\n"
    result = boot.check(boot.run(RunSpec(timeout=300), f"{SETTING}{recipe_file}adj0 sh /tmp/recipe.sh"))
    said = result.stderr.decode()
    assert result.status == 0, said
    assert "/foo reached its memory limit" in result.stdout.decode()
    assert "oomtrace: 1 OOM\n" in said and "task=python3" in said


@pytest.mark.vm
def test_one_shot_script_ends_where_no_trace_can_start() -> None:
    broken = f"{SETTING}export OOMTRACE_BTF=/nonexistent\ncat >/tmp/recipe.sh <<'END'\n{recipe(2)}END\n"
    result = boot.check(boot.run(RunSpec(timeout=120), f"{broken}sh /tmp/recipe.sh"))
    assert (result.status, result.stdout) == (1, b"") and b"hint: " in result.stderr


def test_postmortem_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "kern.log.1.gz").write_bytes(gzip.compress(LOG.read_bytes()))
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "oomtrace"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m oomtrace "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-ec", recipe(3)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("/foo reached its memory limit of 48.0 MiB")
    (line,) = (tmp_path / "events.jsonl").read_text().splitlines()
    assert json.loads(line)["event"]["report"]["kills"][0]["comm"] == "hog"

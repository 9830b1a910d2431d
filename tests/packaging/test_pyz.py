"""oomtrace.pyz: one file, all that it needs, on every Python that is at hand."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from oomtrace import errors, service

pytestmark = pytest.mark.first

ROOT = Path(__file__).resolve().parents[2]
START = ROOT / "packaging" / "start.py"
CAPTURE = ROOT / "tests" / "fixtures" / "data" / "6.1-memcg-v2.oom"
OLDEST = (3, 9)
IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import oomtrace
for found in pkgutil.walk_packages(oomtrace.__path__, "oomtrace."):
    if found.name != "oomtrace.__main__":
        print(importlib.import_module(found.name).__file__, file=sys.stderr)
sys.argv[1:] = sys.argv[2:]
oomtrace.begin.main()
"""


def _pythons() -> dict[tuple[int, int], str]:
    """Each Python of this machine, by version: pyenv's, and those on the path. Their names tell it: none is started."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = {(int(version[1]), int(version[2])): str(path) for path in sorted(pyenv.glob("versions/*/bin/python"))
             if (version := re.match(r"(\d+)\.(\d+)", path.parts[-3]))}
    for folder in os.get_exec_path():
        if Path(folder) == pyenv / "shims":
            continue  # scripts that start a Python of pyenv's, or refuse to
        for path in sorted(Path(folder).glob("python[23].*")):
            if version := re.fullmatch(r"python(\d)\.(\d+)", path.name):
                found.setdefault((int(version[1]), int(version[2])), str(path))
    found[sys.version_info[:2]] = sys.executable
    return dict(sorted(found.items()))


PYTHONS = _pythons()
NEW = [version for version in PYTHONS if version >= OLDEST]
OLD = [version for version in PYTHONS if version < OLDEST]
# The Pythons between the oldest and the newest seldom have a word of their own; they are tried in make test-long.
EACH_NEW = [pytest.param(version, marks=() if version in (min(NEW), max(NEW)) else pytest.mark.long) for version in NEW]


def _run(version: tuple[int, int], *words: str) -> "subprocess.CompletedProcess[str]":
    """Isolated (-I) and without site-packages (-S): what is not in the file is not there."""
    return subprocess.run([PYTHONS[version], "-IS", *words], cwd="/", capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("version", EACH_NEW)
def test_commands_work_from_the_file_alone(pyz: Path, version: tuple[int, int]) -> None:
    read = _run(version, str(pyz), "read", "--format", "json", str(CAPTURE))
    assert (read.returncode, read.stderr) == (0, "")
    assert len(json.loads(read.stdout)["events"]) == 1
    # All modules, and then a page, which needs most of them.
    page = _run(version, "-c", IMPORT_ALL, str(pyz), "read", "--format", "html", str(CAPTURE))
    assert page.returncode == 0 and page.stdout.lower().startswith("<!doctype html>"), page.stderr
    modules = page.stderr.splitlines()
    assert len(modules) > 100 and all(str(pyz) in module for module in modules), page.stderr


@pytest.mark.parametrize("version", EACH_NEW)
def test_a_scenario_is_read_from_the_file_alone(pyz: Path, version: tuple[int, int], tmp_path: Path) -> None:
    scenario = tmp_path / "wrong.yaml"
    scenario.write_text("processes: 7\n")
    done = _run(version, str(pyz), "repro", str(scenario))
    assert done.returncode == errors.EXIT_USAGE and "wrong.yaml" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("version", OLD)
def test_an_old_python_is_told_in_a_sentence(pyz: Path, version: tuple[int, int]) -> None:
    done = _run(version, str(pyz)) if version[0] > 2 else subprocess.run(
        [PYTHONS[version], str(pyz)], capture_output=True, text=True, timeout=60)
    assert done.returncode == errors.EXIT_OLD_PYTHON
    said, hint = done.stderr.splitlines()
    assert said.startswith("oomtrace: needs Python 3.9 or newer, and ")
    assert said.endswith(f" is {version[0]}.{version[1]}")
    assert hint.startswith("  hint: ")


def test_every_python_3_can_read_the_first_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = START.read_text()
    ast.parse(text, feature_version=(3, 4))
    monkeypatch.setattr(sys, "version_info", (3, 4, 2))
    with pytest.raises(SystemExit) as ended:
        exec(compile(text, str(START), "exec"), {"__name__": "__main__"})
    assert ended.value.code == errors.EXIT_OLD_PYTHON and " is 3.4\n" in capsys.readouterr().err


@pytest.mark.parametrize("version", [pytest.param(min(NEW), marks=pytest.mark.long), max(NEW)])
def test_same_sources_same_bytes(pyz: Path, version: tuple[int, int], tmp_path: Path) -> None:
    again = tmp_path / "again.pyz"
    if not _has_pip(PYTHONS[version]):
        pytest.skip(f"{PYTHONS[version]} has no pip")
    subprocess.run([PYTHONS[version], ROOT / "packaging" / "pyz.py", again], cwd=tmp_path, check=True, timeout=300)
    assert again.read_bytes() == pyz.read_bytes()


def _has_pip(python: str) -> bool:
    return not subprocess.run([python, "-m", "pip", "--version"], capture_output=True, timeout=60).returncode


def test_it_starts_by_its_name(pyz: Path, tmp_path: Path) -> None:
    command = tmp_path / "oomtrace"
    shutil.copy(pyz, command)
    environment = {"PATH": f"{Path(PYTHONS[NEW[-1]]).parent}:/usr/bin:/bin"}
    done = subprocess.run([command, "--version"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("oomtrace ")


@pytest.mark.parametrize("python", ["/p", "/usr/bin/python3", "/a/long/way/to/a/python3.14-of-its-own"])
def test_a_service_names_the_python_that_made_it(
    python: str, monkeypatch: pytest.MonkeyPatch, pyz: Path, tmp_path: Path
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", python)
        copied = service._for_this_python(pyz.read_bytes())
    copy = tmp_path / "oomtrace"
    copy.write_bytes(copied)
    assert copied.startswith(f"#!{python}\n".encode())
    done = subprocess.run([sys.executable, copy, "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("oomtrace "), done.stderr


def test_licences_of_what_it_carries_are_in_it(pyz: Path) -> None:
    with zipfile.ZipFile(pyz) as archive:
        names = set(archive.namelist())
    assert {"LICENSE", "licenses/click/LICENSE.txt", "licenses/pyyaml/LICENSE"} <= names


def test_only_python_and_shipped_files_are_in_it(pyz: Path) -> None:
    with zipfile.ZipFile(pyz) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.endswith((".so", ".pyc"))]
    assert {f"oomtrace/{name}" for name in _shipped()} <= set(names)


def _shipped() -> Iterator[str]:
    for folder in ("bpf", "man", "systemd"):
        names: list[str] = [str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert names
        yield from names

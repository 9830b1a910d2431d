"""The package ships all that it needs: every folder of code, and the BPF sources."""

from __future__ import annotations

import configparser
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from oomtrace.programs import source
from vm import payload

ROOT = Path(__file__).resolve().parents[2]

DATA = {"oomtrace.bpf", "oomtrace.man", "oomtrace.systemd"}


def _listed() -> "set[str]":
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return set(parser["options"]["packages"].split())


def test_every_folder_of_code_is_a_listed_package() -> None:
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "oomtrace").rglob("__init__.py")}
    assert _listed() == {".".join(folder.parts) for folder in folders} | DATA


def test_wheel_has_the_manual_the_unit_and_the_bpf_sources_and_finds_them(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    data = {path.relative_to(tmp_path / "site").as_posix().partition(".data/data/")[2]
            for path in (tmp_path / "site").rglob("*.data/data/**/*") if path.is_file()}
    assert data == {"share/man/man1/oomtrace.1", "lib/systemd/system/oomtrace.service"}
    shipped = {path.name for path in (tmp_path / "site" / "oomtrace" / "bpf").iterdir()}
    assert {*source.HEADERS, *source.PROGRAMS} <= shipped
    find = "from oomtrace.programs import source; print(source.__file__); print(len(source.source()))"
    done = subprocess.run(
        [sys.executable, "-c", find], cwd=tmp_path / "site", env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True, text=True, check=True, timeout=60,
    )
    assert str(tmp_path / "site") in done.stdout


def test_source_archive_has_what_a_wheel_is_made_of(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    package = ("bpf/", "oomtrace/", "man/", "systemd/", "README", "LICENSE", "setup", "pyproject")
    tracked = {name for name in payload.files(ROOT) if name.startswith(package)}
    for name in tracked:
        copy = tmp_path / "tree" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    words = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "sdist", "-d", str(tmp_path)]
    subprocess.run(words, cwd=tmp_path / "tree", check=True, timeout=300, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert tracked <= names

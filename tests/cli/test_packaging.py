"""The package ships all that it needs: every folder of code, and the BPF sources."""

from __future__ import annotations

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

from oomtrace.live import program

ROOT = Path(__file__).resolve().parents[2]


def _listed() -> "set[str]":
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return set(parser["options"]["packages"].split())


def test_every_folder_of_code_is_a_listed_package() -> None:
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "oomtrace").rglob("__init__.py")}
    assert _listed() == {".".join(folder.parts) for folder in folders} | {"oomtrace.bpf"}


def test_wheel_has_the_bpf_sources_and_finds_them(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    shipped = {path.name for path in (tmp_path / "site" / "oomtrace" / "bpf").iterdir()}
    assert {*program.HEADERS, *program.PROGRAMS} <= shipped
    find = "from oomtrace.live import program; print(program.bpf_folder()); print(len(program.source()))"
    done = subprocess.run(
        [sys.executable, "-c", find], cwd=tmp_path / "site", env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True, text=True, check=True, timeout=60,
    )
    assert str(tmp_path / "site") in done.stdout


def test_wheel_has_the_manual_and_the_unit() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    files = dict(parser["options.data_files"])
    assert files == {"share/man/man1": "\nman/oomtrace.1", "lib/systemd/system": "\nsystemd/oomtrace.service"}

"""Files that are shipped with the code are found in a checkout, in an installation, and inside an archive."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Callable

import pytest

from oomtrace import shipped

ROOT = Path(__file__).resolve().parents[1]
ASK = """
from oomtrace import shipped
print(shipped.__file__)
print(len(shipped.read("bpf/records.h")))
print(shipped.archive())
print(*shipped.stamps("bpf", "kernel"), sep="|")
"""


def _copied(folder: Path, bpf_at: str) -> Path:
    (folder / "oomtrace").mkdir(parents=True)
    for name in ("__init__.py", "shipped.py"):
        shutil.copy(ROOT / "oomtrace" / name, folder / "oomtrace" / name)
    shutil.copytree(ROOT / "bpf", folder / bpf_at)
    return folder


def _checkout(folder: Path) -> Path:
    return _copied(folder / "checkout", "bpf")


def _installed(folder: Path) -> Path:
    return _copied(folder / "site", "oomtrace/bpf")


def _archive(folder: Path) -> Path:
    made = _installed(folder)
    with zipfile.ZipFile(folder / "all.pyz", "w") as archive:
        for path in made.rglob("*"):
            archive.write(path, path.relative_to(made))
    shutil.rmtree(made)
    return folder / "all.pyz"


def _ask(path: Path) -> "list[str]":
    done = subprocess.run([sys.executable, "-c", ASK], env={"PYTHONPATH": str(path)}, cwd="/",
                          capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


@pytest.mark.parametrize("make", [_checkout, _installed, _archive])
def test_a_shipped_file_is_read_from_where_the_code_runs(make: Callable[[Path], Path], tmp_path: Path) -> None:
    place = make(tmp_path)
    where, length, archive, _ = _ask(place)
    assert where.startswith(str(place)) and int(length) == (ROOT / "bpf" / "records.h").stat().st_size
    assert archive == (str(place) if make is _archive else "None")


@pytest.mark.parametrize("make", [_checkout, _installed, _archive])
def test_a_change_changes_the_stamps(make: Callable[[Path], Path], tmp_path: Path) -> None:
    place = make(tmp_path)
    before = _ask(place)[-1]
    assert _ask(place)[-1] == before
    changed = place if make is _archive else next(place.rglob("oom.c"))
    os.utime(changed, (1, 1))
    assert _ask(place)[-1] != before


def test_what_is_not_shipped_is_not_found() -> None:
    with pytest.raises(FileNotFoundError, match="no/such"):
        shipped.read("no/such")

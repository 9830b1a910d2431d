"""What packages say of a release is made from the code's version and from CHANGELOG.md."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from oomtrace import __version__

ROOT = Path(__file__).resolve().parents[2]
CHANGES = """# Changelog

## 1.2.0 (2026-03-04)

- A thing of `one`
  that goes on; 5 % of it.
- Another.

## 1.1.0 (2025-12-31)

- The first.
"""


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("packaging_release", ROOT / "packaging" / "release.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


release = _module()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files that releases are told from, with changes of our own making."""
    for name in ("oomtrace/__init__.py", "debian/control", "packaging/oomtrace.spec", "CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "oomtrace" / "__init__.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    return tmp_path


def test_the_changelog_begins_with_the_version_of_the_code() -> None:
    assert release.version() == __version__ == release.releases()[0].version


def test_a_version_without_a_changelog_is_refused(tree: Path) -> None:
    (tree / "oomtrace" / "__init__.py").write_text('__version__ = "1.3.0"\n')
    with pytest.raises(SystemExit, match="does not begin with version 1.3.0"):
        release.debian_changelog(tree)


def test_debian_changelog(tree: Path) -> None:
    assert release.debian_changelog(tree) == f"""oomtrace (1.2.0) unstable; urgency=medium

  * A thing of one that goes on; 5 % of it.
  * Another.

 -- {release.maintainer()}  Wed, 04 Mar 2026 00:00:00 +0000

oomtrace (1.1.0) unstable; urgency=medium

  * The first.

 -- {release.maintainer()}  Wed, 31 Dec 2025 00:00:00 +0000
"""


@pytest.mark.skipif(not shutil.which("dpkg-parsechangelog"), reason="needs Debian's dpkg-dev")
def test_debian_reads_the_changelog(tree: Path) -> None:
    (tree / "changelog").write_text(release.debian_changelog())
    command = ["dpkg-parsechangelog", "-l", str(tree / "changelog"), "-S", "Version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == (f"{__version__}\n", "")


def test_spec(tree: Path) -> None:
    text = release.spec(tree)
    assert "\nVersion:        1.2.0\n" in text and not re.search("@[A-Z]+@", text)
    assert "* Wed Mar 04 2026 oomtrace maintainers" in text and "- A thing of one that goes on; 5 %% of it.\n" in text


@pytest.mark.skipif(not shutil.which("rpmspec"), reason="needs the package rpm")
def test_rpm_reads_the_spec(tree: Path) -> None:
    (tree / "made.spec").write_text(release.spec())
    command = ["rpmspec", "-q", "--qf", "%{name} %{version} %{arch}", str(tree / "made.spec")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"oomtrace {__version__} noarch"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_made_for_each_shell(shell: str, tmp_path: Path) -> None:
    pytest.importorskip("click.shell_completion", reason="click 7 names them otherwise")
    full = {**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    command = ["sh", "packaging/completions.sh", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env=full, check=True, timeout=120)
    name = {"bash": "oomtrace", "zsh": "_oomtrace", "fish": "oomtrace.fish"}[shell]
    assert f"_OOMTRACE_COMPLETE={shell}_complete" in (tmp_path / name).read_text()
    if shutil.which(shell):
        subprocess.run([shell, "-n", str(tmp_path / name)], check=True, timeout=60)

"""Packages are installed, upgraded and removed in a guest, and the service of each sees an OOM."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from oomtrace import __version__
from vm import boot, payload
from vm.spec import RunSpec

ROOT = Path(__file__).resolve().parents[2]
GUEST = Path(__file__).resolve().parent
NEWER = "99.0.0"
LEAST = (6, 7, 21, 24, 34, 38, 39)  # SETGID, SETUID, SYS_ADMIN, SYS_RESOURCE, SYSLOG, PERFMON, BPF: deploy/kubernetes


def _tree(folder: Path, version: str) -> Path:
    """The checkout as that version, with releases of long ago: neither lintian nor rpmlint believes in the future."""
    for name in payload.files(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / "oomtrace" / "__init__.py").write_text(f'"""Newer."""\n\n__version__ = "{version}"\n')
    changes = re.sub(r" \((unreleased|[-\d]+)\)\n", " (2020-01-01)\n", (folder / "CHANGELOG.md").read_text())
    if version != __version__:
        changes = f"# Changelog\n\n## {version} (2020-02-02)\n\n- Newer.\n\n{changes}"
    (folder / "CHANGELOG.md").write_text(changes)
    return folder


def _made(kind: str, tree: Path, target: Path) -> Path:
    """The package of a tree, alone in a folder; a build of one checkout at a time."""
    done = subprocess.run(["sh", f"packaging/{kind}.sh"], cwd=tree, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    target.mkdir()
    (package,) = (tree / "dist").glob(f"*.{kind}")
    shutil.copy(package, target)
    return target


def _packages(kind: str, folder: Path) -> tuple[Path, Path]:
    old, new = _tree(folder / "a", __version__), _tree(folder / "b", NEWER)
    return _made(kind, old, folder / "old"), _made(kind, new, folder / "new")


def _in_guest(script: str, variant: str, *put: Path) -> list[str]:
    spec = RunSpec(kernel="6.1", variant=variant, timeout=1500, put=[GUEST / "guest_service.sh", *put])
    result = boot.check(boot.run(spec, (GUEST / script).read_text()))
    lines = result.stdout.decode("utf-8", "replace").splitlines()
    print("\n".join(lines), result.stderr.decode("utf-8", "replace"))
    return lines


@pytest.mark.vm
@pytest.mark.long
def test_the_one_file_becomes_a_service(pyz: Path) -> None:
    lines = _in_guest("guest_pyz_service.sh", "systemd", pyz)
    for line in ("wrote /usr/local/bin/oomtrace", "captures: 1, service: active, enabled", "again: restarted",
                 "captures: 2, service: active, enabled", "removed /etc/systemd/system/oomtrace.service",
                 "left: 0, captures: 2", "inactive"):
        assert line in lines
    assert any("reached its memory limit of 24.0 MiB" in line for line in lines)


@pytest.mark.vm
@pytest.mark.long
def test_debian_package(tmp_path: Path) -> None:
    lines = _in_guest("guest_deb.sh", "systemd", *_packages("deb", tmp_path))
    for line in (
        f"installed: install ok installed {__version__}", "at first: inactive, disabled, 700",
        "has man/man1/oomtrace.1.gz", "has bash-completion/completions/oomtrace",
        "has zsh/vendor-completions/_oomtrace",
        "has fish/vendor_completions.d/oomtrace.fish", "completed: check", "check: 0",
        "captures: 1, service: active, enabled", f"upgraded: install ok installed {NEWER}", f"oomtrace {NEWER}",
        "upgrade: restarted", "captures: 2, service: active, enabled", "removed: inactive, captures: 2", "left: ",
    ):
        assert line in lines


@pytest.mark.vm
@pytest.mark.long
def test_rpm_package(tmp_path: Path) -> None:
    if not shutil.which("rpmbuild"):
        pytest.skip("rpmbuild is not here: apt install rpm rpmlint")
    lines = _in_guest("guest_rpm.sh", "packages", *_packages("rpm", tmp_path))
    for line in (
        f"installed: oomtrace-{__version__}-1.noarch", "at first: inactive, 700", "check: 0",
        "captures: 1, service: active, enabled", f"upgraded: oomtrace-{NEWER}-1.noarch", f"oomtrace {NEWER}",
        "unit to be read again: no", "upgrade: restarted",
        "captures: 2, service: active, enabled", "removed: inactive, captures: 2", "left: ",
    ):
        assert line in lines


@pytest.mark.vm
@pytest.mark.long
def test_container(pyz: Path) -> None:
    packaging, deploy = ROOT / "packaging", ROOT / "deploy"
    lines = _in_guest("guest_container.sh", "packages", pyz, packaging / "Containerfile",
                      packaging / "oomtrace-container.service", deploy / "hooks",
                      deploy / "kubernetes/base/daemonset.yaml")
    for line in ("image: built", "captures: 1, service: active", "check in a container: 0", "stopped: 0 left"):
        assert line in lines
    assert "without what it must be given: 0" not in lines
    least = [line.partition(": ")[2] for line in lines if line.startswith("least: ")]
    assert least[0].startswith("running --cap-add CAP_BPF"), least
    mask = sum(1 << number for number in LEAST)
    for line in (f"CapEff:{mask:016x}", "NoNewPrivs:1", "Seccomp:2", "captures 1", "event: memcg node7 True 0"):
        assert line in least, least
    assert sum("reached its memory limit of 24.0 MiB" in line for line in lines) == 2

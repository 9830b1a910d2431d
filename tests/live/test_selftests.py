"""The kernel's own tests of memory cgroups (tools/testing/selftests/cgroup): every kill of theirs is ours, too."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.live.guest import trace
from vm.compare import Tally, compare
from vm.kernellog import Report, reports

PARTS = ("cgroup", "kselftest.h", "clone3")
TESTS = ("test_memcontrol", "test_kmem")
FEWEST_KILLS = 5


def _sources(version: str, folder: Path) -> Path:
    """The folder of self-tests of Debian's package of the kernel's sources."""
    package = f"linux-source-{version}"
    command = ["apt-get", "-q", "download", package]
    got = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if got.returncode:
        pytest.skip(f"apt cannot download {package}")
    (deb,) = folder.glob("*.deb")
    wanted = " ".join(f"'*/tools/testing/selftests/{part}'" for part in PARTS)
    unpack = (f"dpkg-deb --fsys-tarfile {deb} | tar -xO --wildcards './usr/src/*.tar.xz' | "
              f"tar -xJ --strip-components=4 --wildcards {wanted}")
    subprocess.run(["sh", "-c", unpack], cwd=folder, check=True, timeout=600)
    deb.unlink()
    return folder


def _built(version: str, folder: Path) -> list[Path]:
    """Static programs, for any guest. Not optimised: else the compiler leaves out memory that nothing reads."""
    if not shutil.which("gcc") or not shutil.which("dpkg-deb"):
        pytest.skip("gcc and dpkg-deb are not here")
    sources = _sources(version, folder) / "cgroup"
    for name in TESTS:
        command = ["gcc", "-O0", "-w", "-static", "-pthread", "-D_GNU_SOURCE", "-I..", "-o", str(folder / name),
                   f"{name}.c", "cgroup_util.c"]
        subprocess.run(command, cwd=sources, check=True, timeout=300)
    return [folder / name for name in TESTS]


def _by_key(found: list[Report]) -> dict[str, Report]:
    by_key = {report.key: report for report in found}
    assert len(by_key) == len(found)
    for report in found:  # what the oom_reaper says comes when it comes
        report.lines = [line for line in report.lines if not line.startswith("oom_reaper: ")]
    return by_key


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_every_kill_of_the_kernels_own_tests_is_identical(kernel: str, tmp_path: Path) -> None:
    programs = _built(kernel, tmp_path)
    loop = "for each in /root/put/test_*; do adj0 $each; done; sleep 3"
    traced = trace(kernel, "v2", f"sh -c '{loop}'", timeout=900, put=programs,
                   append="log_buf_len=2M")
    theirs = _by_key(reports(traced.kmsg.decode("utf-8", "surrogateescape").splitlines()))
    ours = _by_key(reports(f";{line}" for line in traced.ours.decode("utf-8", "surrogateescape").splitlines()))
    assert len(theirs) >= FEWEST_KILLS and theirs.keys() == ours.keys()
    total = Tally()
    for key, report in theirs.items():
        total.add(compare(report, ours[key].lines))
    print(f"{total.identical} of {total.lines} lines in {len(theirs)} reports identical")
    assert not total.differing and not total.structural and total.identical == total.lines

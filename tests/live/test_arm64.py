"""The main promise on arm64: the same programs, with its registers, its call trace and its sizes of pages."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from oomtrace.model import OomEvent
from oomtrace.wire import capture
from tests import matrix as judged
from tests.live.guest import kernel_lines
from tests.live.test_code import COMPILERS, FOUND, POINTS, functions, shares
from vm import boot, cells, matrix, scenario
from vm.cells import Cell
from vm.spec import RunSpec

SHARED = ("anon", "group", "sysrq")  # of a memcg, of a group of tasks, of the whole machine: one guest has them all
FILL = Path(__file__).resolve().parent / "code"
CAPTURES = FILL.parent.parent / "fixtures" / "data"
CROSS_COMPILER = "aarch64-linux-gnu-gcc"
KERNELS = [kernel.name for kernel in matrix.ARM64_KERNELS]


def _bad(found: list[Cell]) -> list[Cell]:
    bad = [cell for cell in found if not cell.perfect]
    scenario.show(bad)
    return bad


def test_one_guest_serves_for_three() -> None:
    chosen = [pair for pair in cells.of(cells.load(SHARED), ["6.12-arm64"]) if pair[1].state == "run"]
    assert len({cells.guest_for(*pair) for pair in chosen}) == 1 and len(chosen) == len(SHARED)


@pytest.mark.vm
def test_three_kinds_of_oom_are_identical() -> None:
    found = judged.found([pair for pair in cells.of(cells.load(SHARED), ["6.12-arm64"]) if pair[1].state == "run"])
    judged.check(found)
    assert [cell.reports for cell in found] == [1, 1, 1]


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kind_of_oom_is_identical(kernel: str) -> None:
    found = scenario.run_all(cells.load(cells.names()), [kernel])
    assert sum(cell.reports for cell in found) > len(cells.names()) // 2
    assert not _bad(found)


def _programs(folder: Path) -> list[Path]:
    """What fills its memory, three quarters in one function: in Python, and in C if a compiler for arm64 is here."""
    shutil.copy(FILL / "fill.py", folder)
    if shutil.which(CROSS_COMPILER):
        subprocess.run([CROSS_COMPILER, *COMPILERS["c"][1:], "-o", folder / "fill_c", FILL / "fill.c"], check=True)
    return sorted(folder.iterdir())


def _event(capture_file: Path) -> OomEvent:
    (event,) = capture.events(capture.load(io.BytesIO(capture_file.read_bytes())))
    assert event.report.machine is not None and event.report.machine.arch == "arm64"
    return event


def _read_here(path: Path, form: str) -> bytes:
    command = [sys.executable, "-m", "oomtrace", "read", "--format", form, str(path)]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("kernel", ["6.12-arm64", "7.3-arm64"])
def test_trampolines_return_probes_stacks_and_captures(kernel: str, tmp_path: Path) -> None:
    (tmp_path / "put").mkdir()
    programs = _programs(tmp_path / "put")
    spec = RunSpec(kernel, timeout=900, put=programs, get=[("/tmp/out", tmp_path / "out")])
    result = boot.check(boot.run(spec, "sh tests/guest/arm64.sh"))
    out, said = tmp_path / "out", result.stderr.decode("utf-8", "replace")
    assert result.status == 0, said

    theirs = kernel_lines((out / "every" / "kmsg").read_bytes())
    assert (out / "every" / "ours").read_bytes().splitlines() == theirs and theirs
    for program in ("charge_every", "oom_badness_return"):
        assert any(f"probe {program}: " in line and "(BPF trampoline)" in line for line in said.splitlines()), said
    (captured,) = (out / "every" / "captures").iterdir()
    event = _event(captured)
    assert event.trace.charges == "every" and event.trace.growth
    # What probes of returns tell: when memory was free, what reclaim came to, the kernel's own points.
    assert event.trace.releases and event.trace.releases[0].freed_pages
    assert event.trace.reclaim is not None and event.trace.reclaim.attempts
    assert [candidate.points for candidate in event.trace.candidates if candidate.points is not None]

    asked = {program.name: _event(out / f"{program.name}.oom") for program in programs}
    assert asked.keys() >= {"fill.py"}
    for name, event in asked.items():
        assert event.code is not None and event.code.asker is not None
        frames = list(event.code.walk(event.code.asker.stack))
        assert {frame.name for frame in frames} & {"parse", "parse_row", "cache", "make_cache"}, frames
        assert name != "fill.py" or any(frame.language == "python" and frame.line for frame in frames), frames
    if "fill_c" in asked:  # in a guest this slow, who looks at an interpreter may have no time left for samples
        first, second = shares(asked["fill_c"], "c")
        print(f"{kernel}: {first:.1f} and {second:.1f} %")
        assert first + second >= FOUND and abs(first - 75) <= POINTS, functions(event.code)

    for path in sorted(CAPTURES.glob("*.oom")):  # of both architectures
        for form in ("json", "text"):
            assert _read_here(path, form) == (out / f"{path.name}.{form}").read_bytes(), path.name

"""Stacks of real programs, whose functions the tests know."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from oomtrace import code
from oomtrace.code import libdw, space
from oomtrace.model import Ending
from tests.code import thousand
from tests.code.programs import built, of_command, own, stacks
from tests.code.stopped import MACHINE

pytestmark = [
    pytest.mark.first,
    pytest.mark.skipif(libdw.libdw() is None, reason="there is no libdw (Debian: libdw1)"),
]

C = ["parse_row", "load_catalog", "main"]
CPP = ["shop::Catalog<long>::fill", "shop::load", "main"]
RUST = ["<catalog::shop::Catalog as catalog::shop::Fill>::fill", "catalog::load", "catalog::main"]
GO = ["main.(*catalog).fill", "main.load", "main.main"]


# Two of them may be in a function's first or last instruction, or, with Go, in the handler of the signal by which its
# scheduler takes turns: that runs on a stack of its own, and the copy ends before the program's.
_STOPS = 40


@pytest.mark.parametrize("source, options, names", [
    ("catalog.c", (), C),
    ("catalog.c", ("-static",), C),
    ("catalog.c", ("-static-pie",), C),
    ("catalog.c", ("-no-pie",), C),
    ("catalog.c", ("-m32",), C),
    ("catalog.cpp", (), CPP),
    ("catalog.rs", (), RUST),
    ("catalog.rs", ("-C", "symbol-mangling-version=v0"), RUST),
    ("catalog.go", (), GO),
    ("catalog.go", ("-ldflags", "-s -w"), GO),
], ids=lambda value: " ".join(value) if isinstance(value, tuple) else None)
def test_functions(tmp_path: Path, source: str, options: tuple[str, ...], names: list[str]) -> None:
    if "v0" in "".join(options) and shutil.which("c++filt") is None:
        pytest.skip("there is no c++filt (Debian: binutils)")
    found = of_command([str(built(tmp_path, source, *options))], _STOPS)
    right = [one for one in found.samples
             if [frame.name for frame in found.walk(one.stack) if not frame.library][: len(names)] == names]
    assert sum(one.samples for one in right) >= 0.95 * _STOPS, own(found)
    assert {found.stacks[one.stack].ends for one in right} == {None}


@pytest.mark.parametrize("source, names, places", [
    ("catalog.c", C, ["catalog.c:16", "catalog.c:25"]),
    ("catalog.cpp", CPP, ["catalog.cpp:18", "catalog.cpp:27"]),
])
def test_source_lines(tmp_path: Path, source: str, names: list[str], places: list[str]) -> None:
    found = of_command([str(built(tmp_path, source, "-g"))], 3)
    for stack in stacks(found):
        assert [frame.name for frame in stack[:3]] == names
        assert [frame.place for frame in stack[1:3]] == places


def test_what_has_no_name_is_module_and_offset(tmp_path: Path) -> None:
    program = built(tmp_path, "catalog.c")
    known = {name: address for address, _, name in
             (line.split() for line in subprocess.check_output(["nm", program], text=True).splitlines()
              if len(line.split()) == 3)}
    subprocess.run(["strip", program], check=True)
    for stack in stacks(of_command([str(program)], 3)):
        assert stack[0].function is None and stack[0].name == f"catalog+{stack[0].offset:#x}"
        assert stack[0].offset is not None
        assert 0 <= stack[0].offset - int(known["parse_row"], 16) < 256
        assert stack[0].build_id is not None


def test_a_stack_that_the_copy_cuts_is_marked(tmp_path: Path) -> None:
    found = of_command([str(built(tmp_path, "catalog.c"))], 3, most=16)
    assert {stack.ends for stack in found.stacks} == {Ending.CUT}
    assert all(names[0] == "parse_row" and "main" not in names for names in own(found))


def test_a_file_that_is_deleted_or_replaced(tmp_path: Path) -> None:
    program = built(tmp_path, "catalog.c")

    def replaced() -> None:
        program.unlink()
        shutil.copy("/bin/true", program)

    assert all(names[:3] == C for names in own(of_command([str(program)], 3, late=replaced)))


def test_without_libdw_frame_pointers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "libdw", lambda: None)
    found = of_command([str(built(tmp_path, "catalog.c", "-O0", "-fno-omit-frame-pointer"))])
    # A function that has only begun has not made its frame yet: its caller is then left out.
    assert sum(names[:3] == C for names in own(found)) >= 10, own(found)


def test_without_libdw_nor_frame_pointers_a_stack_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "libdw", lambda: None)
    found = of_command([str(built(tmp_path, "catalog.c"))], 3)
    assert {stack.ends for stack in found.stacks} <= {Ending.SHORT, Ending.CUT}
    assert all(names[0] == "parse_row" for names in own(found))


def test_separate_debug_file(tmp_path: Path) -> None:
    program = built(tmp_path, "catalog.c", "-g")
    subprocess.run(["objcopy", "--only-keep-debug", program, tmp_path / "catalog.debug"], check=True)
    subprocess.run(["strip", program], check=True)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={tmp_path / 'catalog.debug'}", program], check=True, cwd=tmp_path)
    found = of_command([str(program)], 3)
    assert all(names[:3] == C for names in own(found))
    assert {stack[1].place for stack in stacks(found)} == {"catalog.c:16"}


def test_minidebuginfo(tmp_path: Path) -> None:
    """.gnu_debugdata: symbols of a stripped program, compressed, as Fedora and RHEL have them."""
    if shutil.which("xz") is None:
        pytest.skip("there is no xz")
    program, mini = built(tmp_path, "catalog.c"), tmp_path / "mini"
    subprocess.run(["objcopy", "-S", "--remove-section", ".comment", "--keep-symbol=parse_row",
                    "--keep-symbol=load_catalog", "--keep-symbol=main", program, mini], check=True)
    subprocess.run(["xz", mini], check=True)
    subprocess.run(["strip", program], check=True)
    subprocess.run(["objcopy", "--add-section", f".gnu_debugdata={mini}.xz", program], check=True)
    assert all(names[:3] == C for names in own(of_command([str(program)], 3)))


def test_a_perf_map_names_code_made_at_run_time(tmp_path: Path) -> None:
    program = built(tmp_path, "jit.c")
    found = of_command([str(program)], 6)
    assert all(names[:2] == ["jit:fill", "main"] for names in own(found)), own(found)


@pytest.mark.skipif(MACHINE != "x86_64", reason="its code is x86-64's")
@pytest.mark.parametrize("unwinder", ["libdw", "frame pointers"])
def test_what_runs_in_a_sandbox_has_no_stack_of_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unwinder: str
) -> None:
    """gVisor: the addresses of the program in it are in no file's tables. They are told as they are, and no caller is
    guessed from what lies on its stack."""
    if unwinder != "libdw":
        monkeypatch.setattr(space, "libdw", lambda: None)
    found = of_command([str(built(tmp_path, "sandbox.c"))], 3)
    for stack in stacks(found):
        assert [(frame.function, frame.module) for frame in stack] == [(None, "/memfd:runsc-memory")]
        assert stack[0].name in ("memfd:runsc-memory+0x1000", "memfd:runsc-memory+0x1002")
    assert all(stack.ends is not None for stack in found.stacks)


def test_a_pid_that_is_nobody() -> None:
    assert code.look(os.getpid() + 4_000_000, code.Files()) is None
    assert code.look(2, code.Files()) is None or not os.path.exists("/proc/2/exe")


def test_a_thousand_stacks_are_resolved_in_two_seconds(tmp_path: Path) -> None:
    seconds = thousand.seconds(tmp_path)
    assert seconds <= 2, f"{seconds:.2f} s"

"""What happens when the kernel refuses: which refusal ends the trace, which only costs a part of the report."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from oomtrace.errors import EXIT_NO_BCC, EXIT_NO_PROBE, OomtraceError
from oomtrace.kernel.probes import PROBES, Probe, Target
from oomtrace.live import bpf, tracer
from oomtrace.programs import compiler, source
from oomtrace.programs.image import _LACKING, Image, MapSpec, Program
from oomtrace.programs.source import PARTS

BPF = Path(__file__).resolve().parents[2] / "bpf"
ASKED = ("OFF task_struct.comm", "KSYM tainted_mask")
NEEDED, USEFUL = PROBES[-1], next(probe for probe in PROBES if probe.loses)


class Kernel:
    """What a tracer finds in place of live/bpf.py: a kernel that takes all, but probes of the functions in ``refused``,
    direct probes if ``directly`` is False, and
    the program ``unfit``. Its descriptors are real ones, of /dev/null."""

    VerifierError = bpf.VerifierError

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.directly = True
        self.unfit = ""

    def create_map(self, _spec: MapSpec) -> int:
        return os.open(os.devnull, os.O_RDONLY)

    def update_map(self, *_: int) -> None: ...

    def load_program(self, name: str, *_: Any) -> int:
        if name == self.unfit:  # as it needs what is asked for by the second question
            raise bpf.VerifierError(f"4: (85) call unknown#{_LACKING + 1}; invalid func unknown#{_LACKING + 1}")
        return os.open(os.devnull, os.O_RDONLY)

    def attach_kprobe(self, symbol: str, _fd: int, _returns: bool, _address: Optional[int]) -> int:
        if symbol in self.refused:
            raise OSError(22, "Invalid argument")
        return os.open(os.devnull, os.O_RDONLY)

    def attach_direct(self, _fd: int) -> int:
        if not self.directly:
            raise OSError(95, "Operation not supported")
        return os.open(os.devnull, os.O_RDONLY)


class Rings:
    """Buffers in which nothing comes."""

    lost = 0
    fds: list[int] = []

    def __init__(self, *_: Any) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    made, before = Kernel(), set(os.listdir("/proc/self/fd"))
    tracers: list[tracer.Tracer] = []
    monkeypatch.setattr(tracer, "bpf", made)
    monkeypatch.setattr(tracer, "Rings", Rings)
    real = tracer.Tracer.__init__

    def noted(self: tracer.Tracer, *given: Any) -> None:
        tracers.append(self)
        real(self, *given)

    monkeypatch.setattr(tracer.Tracer, "__init__", noted)
    yield made
    for each in tracers:
        each.close()
    # Fewer may be left: of other tests' some have been collected meanwhile.
    assert set(os.listdir("/proc/self/fd")) <= before, "descriptors are left"


def _tracer() -> tracer.Tracer:
    names = [*PARTS, NEEDED.program, USEFUL.program]
    maps = tuple(MapSpec(name, 4, 4, 4, 2, 0) for name in ("records", "bells", "parts"))
    return tracer.Tracer(Image(maps, tuple(Program(name, b"", {}, {}) for name in names), ASKED), {}, [0])


def test_all_attached(kernel: Kernel) -> None:
    told: list[tuple[Target, str]] = []
    _tracer().attach([Target(NEEDED, "a"), Target(USEFUL, "b")], lambda *what: told.append(what))
    assert not told


def test_refused_probe_costs_its_part(kernel: Kernel) -> None:
    kernel.refused.append("b")
    told: list[tuple[Target, str]] = []
    _tracer().attach([Target(NEEDED, "a"), Target(USEFUL, "b")], lambda *what: told.append(what))
    ((target, why),) = told
    assert target.probe is USEFUL and target.probe.loses and "Invalid argument" in why


def test_refused_indispensable_probe_ends_it(kernel: Kernel) -> None:
    kernel.refused.append("a")
    with pytest.raises(OomtraceError, match="cannot probe a") as caught:
        _tracer().attach([Target(NEEDED, "a")], lambda *_: None)
    assert caught.value.status == EXIT_NO_PROBE and caught.value.hint


def test_refused_useful_program_costs_its_part_and_names_what_it_needs(kernel: Kernel) -> None:
    kernel.unfit = USEFUL.program
    told: list[tuple[Target, str]] = []
    _tracer().attach([Target(NEEDED, "a"), Target(USEFUL, "b")], lambda *what: told.append(what))
    assert told == [(Target(USEFUL, "b"), "it needs symbol tainted_mask, which this kernel does not have")]


@pytest.mark.parametrize("program, said", [(NEEDED.program, "cannot probe a: it needs symbol tainted_mask"),
                                           (PARTS[0], "the kernel refuses the BPF programs: it needs symbol")])
def test_refused_indispensable_program_ends_it(kernel: Kernel, program: str, said: str) -> None:
    kernel.unfit = program
    with pytest.raises(OomtraceError, match=said) as caught:
        _tracer().attach([Target(NEEDED, "a")], lambda *_: None)
    assert caught.value.status == EXIT_NO_PROBE and caught.value.hint


def test_function_that_a_kernel_need_not_have_is_not_spoken_of(kernel: Kernel) -> None:
    optional = Probe(USEFUL.program, ("f",), "something", optional=True)
    _tracer().attach([Target(optional, None)], lambda *_: pytest.fail("spoken of"))


def test_without_bcc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bcc", None)
    made = compiler.Compiler()
    try:
        with pytest.raises(OomtraceError, match="bcc cannot be imported") as caught:
            made.compile(["int x;"], [])
    finally:
        made.close()
    assert caught.value.status == EXIT_NO_BCC and "python3-bpfcc" in str(caught.value.hint)


def test_with_pypis_bcc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bcc", type(sys)("bcc"))
    made = compiler.Compiler()
    try:
        with pytest.raises(OomtraceError, match="not the BPF Compiler Collection"):
            made.compile(["int x;"], [])
    finally:
        made.close()


def _made(_bcc: object, text: str) -> Image:
    if "wrong" in text:
        raise ValueError(f"{text} does not compile")
    maps = MapSpec("shared", 4, 4, 4, 2, 0), MapSpec(f"of {text}", 4, 4, 4, 2, 0)
    return Image(maps, (Program(text, b"", {}, {}),))


def test_programs_are_compiled_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "image_of", _made)
    image = Image.from_plain(compiler._reply(None, "programs", ["a", "b"]))
    assert [spec.name for spec in image.maps] == ["shared", "of a", "of b"]
    assert [program.name for program in image.programs] == ["a", "b"]
    assert compiler._reply(None, "programs", ["a", "wrong b"]) == {"error": "wrong b does not compile"}
    assert compiler._reply(None, "programs", ["wrong a", "b"]) == {"error": "wrong a does not compile"}


def test_halves_make_all_programs() -> None:
    def named(texts: list[str]) -> list[str]:
        return sorted(re.findall(r'^#line 1 "bpf/(\w+\.c)"', "".join(texts), re.MULTILINE))

    assert named(source.sources(True)) == named(source.sources(False)) == sorted(
        path.name for path in BPF.glob("*.c"))


@pytest.mark.parametrize("cpus, kilobytes", [(1, 8192), (2, 8192), (16, 4096), (64, 1024), (512, 256)])
def test_buffers_stay_within_their_budget(cpus: int, kilobytes: int) -> None:
    assert tracer.buffer_pages(cpus) * 4 == kilobytes


@pytest.mark.parametrize("kilobytes", [4, 16, 64])
def test_buffers_have_as_many_bytes_with_pages_of_any_size(kilobytes: int) -> None:
    def bytes_of(wanted: int) -> int:
        return tracer.buffer_pages(1, wanted, kilobytes << 10) * kilobytes << 10

    assert bytes_of(8 << 20) == 8 << 20 and bytes_of(5 << 20) == 4 << 20 and bytes_of(1) == 256 << 10


def test_a_function_is_entered_directly_where_that_is_possible(kernel: Kernel) -> None:
    probe = next(probe for probe in PROBES if probe.direct)
    names = [*PARTS, probe.program, str(probe.direct)]
    maps = tuple(MapSpec(name, 4, 4, 4, 2, 0) for name in ("records", "bells", "parts"))
    made = tracer.Tracer(Image(maps, tuple(Program(name, b"", {}, {}) for name in names)), {}, [0])
    with_type, without = Target(probe, "f", None, 7), Target(probe, "f")
    assert made.enter(with_type) is None and made.enter(without) is None
    assert made.direct == [with_type]

    kernel.directly = False
    assert made.enter(Target(probe, "g", None, 7)) is None  # by a kprobe after all
    assert made.direct == [with_type]


def test_what_was_loaded_ahead_is_not_loaded_again(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    load = kernel.load_program

    def noted(name: str, *rest: Any) -> int:
        loaded.append(name)
        return load(name, *rest)

    monkeypatch.setattr(kernel, "load_program", noted)
    names = [*PARTS, *(probe.program for probe in PROBES), *filter(None, (probe.direct for probe in PROBES))]
    maps = tuple(MapSpec(name, 4, 4, 4, 2, 0) for name in ("records", "bells", "parts"))
    made = tracer.Tracer(Image(maps, tuple(Program(name, b"", {}, {}) for name in names)), {}, [0])
    targets = [Target(probe, probe.functions[0], None, 7) for probe in PROBES]
    left = iter([True] * 10)
    made.load_ahead(targets, lambda: next(left, False))
    assert len(loaded) == 10
    made.attach(targets, lambda target, reason: pytest.fail(f"{target}: {reason}"))
    assert len(loaded) == len(set(loaded)), "each once"


def test_one_that_is_refused_ahead_is_told_of_in_its_turn(kernel: Kernel) -> None:
    kernel.unfit = USEFUL.program
    names = [*PARTS, *(probe.program for probe in PROBES), *filter(None, (probe.direct for probe in PROBES))]
    maps = tuple(MapSpec(name, 4, 4, 4, 2, 0) for name in ("records", "bells", "parts"))
    made = tracer.Tracer(Image(maps, tuple(Program(name, b"", {}, {}) for name in names), ASKED), {}, [0])
    targets = [Target(probe, probe.functions[0]) for probe in PROBES]
    made.load_ahead(targets, lambda: True)
    skipped: list[str] = []
    made.attach(targets, lambda target, reason: skipped.append(target.probe.program))
    assert skipped == [USEFUL.program]

"""The programs that oomtrace comes with: they are of these sources, and what is wrong with a file is noticed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from oomtrace import arch, shipped
from oomtrace.kernel.probes import PROBES
from oomtrace.programs import prebuilt, source
from oomtrace.programs.image import registers

BCC_PYTHON = "/usr/bin/python3"
CHECKOUT = Path(__file__).resolve().parents[2]


def test_they_are_of_these_sources_and_complete() -> None:
    image = prebuilt.load()  # make programs
    assert image.asked == tuple(map(str, prebuilt.asked()))
    names = {program.name for program in image.programs}
    direct = {probe.direct for probe in PROBES if probe.direct}
    assert names == {*source.PARTS, *(probe.program for probe in PROBES), *direct}
    used = {index for program in image.programs for index in program.marks.values()}
    assert used == set(range(len(image.asked))), "a question that no program asks"
    assert {name for program in image.programs for name in program.maps.values()} == {spec.name for spec in image.maps}


def test_they_are_for_every_python() -> None:
    assert prebuilt._digest("out_of_memory\n") == "e-1a5228a5", "the same as in every other version of Python"


def test_no_map_depends_on_the_machine_that_compiled_it() -> None:
    assert {spec.name for spec in prebuilt.load().maps if not spec.max_entries} == {"records", "bells", "samples"}


def _text() -> str:
    return shipped.read(prebuilt.NAME).decode()


def _with(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """A file that holds this in place of the one that is shipped."""
    read = shipped.read
    monkeypatch.setattr(shipped, "read", lambda name: data if name == prebuilt.NAME else read(name))


@pytest.mark.parametrize(
    "damage, why",
    [
        (lambda text: "", "damaged"),
        (lambda text: text[: len(text) // 2], "damaged"),
        (lambda text: text.replace("GAAAA", "GAAAB", 1), "damaged"),
        (lambda text: "\x7fELF" + text, "damaged"),
        (lambda text: text.replace('"format": 2', '"format": 3', 1), r"another version \(format 3\)"),
        (lambda text: text.replace(f'"sources": "{prebuilt.digest()}"', '"sources": "0"', 1), "of other sources"),
        (lambda text: "[]\n", "damaged"),
    ],
)
def test_unfit_files(monkeypatch: pytest.MonkeyPatch, damage, why: str) -> None:  # type: ignore[no-untyped-def]
    _with(monkeypatch, damage(_text()).encode())
    with pytest.raises(prebuilt.Unfit, match=why):
        prebuilt.load()


def test_a_file_that_is_whole_but_holds_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    body = '"asked": [], "maps": [{"name": "records"}], "programs": []}\n'
    head = {"format": prebuilt.FORMAT, "sources": prebuilt.digest(), "body": prebuilt._digest(body)}
    _with(monkeypatch, f"{json.dumps(head)[:-1]},\n{body}".encode())
    with pytest.raises(prebuilt.Unfit, match="damaged"):
        prebuilt.load()


def test_bytes_that_are_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    _with(monkeypatch, b"\xff\xfe\x00" * 99)
    with pytest.raises(prebuilt.Unfit, match="damaged"):
        prebuilt.load()


def test_an_installation_without_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prebuilt, "NAME", "programs/images/none.json")
    with pytest.raises(prebuilt.Unfit, match="none are shipped"):
        prebuilt.load()


@pytest.mark.parametrize("machine", arch.ARCHS.values(), ids=lambda row: row.machine)
def test_registers_are_where_the_architecture_has_them(machine: arch.Arch) -> None:
    image = prebuilt.load()
    read = {program.name: registers(program.code) for program in image.programs}
    assert set().union(*(found.values() for found in read.values())) == set(range(len(machine.registers)))
    settled = image.settled([0] * len(image.asked), (), machine.registers)
    for program in settled.programs:
        assert not registers(program.code), "a mark is left"
        for at, number in read[program.name].items():
            opcode, place = program.code[8 * at], int.from_bytes(program.code[8 * at + 2 : 8 * at + 4], "little")
            lacking = machine.registers[number] is None
            assert opcode == (0x85 if lacking else 0x79) and place == (machine.registers[number] or 0)


def _made_with() -> str:
    return str(json.loads(_text().partition("\n")[0].rstrip(",") + "}")["compiler"])


def _bcc_here() -> str:
    if not shutil.which(BCC_PYTHON):
        return ""
    ask = "from bcc.version import __version__; print('bcc', __version__)"
    done = subprocess.run([BCC_PYTHON, "-c", ask], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def test_the_same_bcc_makes_the_same_bytes() -> None:
    if _bcc_here() != _made_with():
        pytest.skip(f"they were made with {_made_with()}; here is {_bcc_here() or 'no bcc'}")
    done = subprocess.run([BCC_PYTHON, "-m", "oomtrace.programs.build", "-"], capture_output=True, text=True,
                          cwd=CHECKOUT, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("bcc may not create maps here (root and bpf(2) are needed)")
    assert done.returncode == 0, done.stderr
    assert done.stdout == _text()


@pytest.mark.vm
def test_the_same_bytes_are_made_on_another_kernel() -> None:
    from vm import boot
    from vm.spec import RunSpec

    spec = RunSpec(kernel="6.1", variant="bcc", timeout=900)
    result = boot.check(boot.run(spec, "python3 -m oomtrace.programs.build -"))
    assert result.status == 0, result.stderr.decode()
    assert result.stdout.decode() == _text(), "made with another bcc than this guest's?"


def test_parts_stand_in_the_order_of_their_enum() -> None:
    """Python knows it without reading the header at each start."""
    listed = re.search(r"enum part \{(.*?)\}", source.file("common.h"), re.DOTALL)
    assert listed is not None
    assert tuple(name.lower() for name in re.findall(r"\bSEND_\w+", listed[1])) == source.PARTS
    room = re.search(r"BPF_PROG_ARRAY\(parts, (\d+)\)", source.file("common.h"))
    assert room is not None and int(room[1]) == len(source.PARTS)

"""Programs with answers still to be put in."""

from __future__ import annotations

import re
from typing import Optional

from oomtrace.programs.image import Image, MapSpec, Program, mark, marks, without_maps

ASKED = ("OFF task_struct.comm", "KSYM tainted_mask", "HAVE mem_cgroup.kmem")
ADDRESS = 0xFFFFFFFF82000008


def load(register: int, value: int, source: int = 0) -> bytes:
    """The two instructions that load a number of 64 bits (or, from source 1, a map)."""
    low, high = (value & 0xFFFFFFFF).to_bytes(4, "little"), (value >> 32).to_bytes(4, "little")
    return bytes([0x18, register | source << 4, 0, 0]) + low + bytes(4) + high


def number(index: int) -> int:
    """The number in the C that stands for an answer."""
    found = re.search(r'"i"\((0x[0-9a-f]+)\)', mark(index))
    assert found
    return int(found.group(1), 16)


CODE = load(1, 99, 1) + load(2, number(1)) + load(3, number(300)) + load(4, number(0)) + load(5, 0x200000001)


def program() -> Program:
    return Program("p", *without_maps(CODE, {99: "records"}), marks(CODE))


def test_marks_and_maps_are_found() -> None:
    assert program().code == load(1, 0, 1) + CODE[16:], "no descriptor of the process that compiled it"
    assert program().maps == {0: "records"} and program().marks == {2: 1, 4: 300, 6: 0}


def test_answers_are_put_in_and_nothing_else_changes() -> None:
    answers: list[Optional[int]] = [1824, ADDRESS, *[7] * 299]
    settled = program().settled(answers, (1,), ())
    assert settled.marks == {2: 1}
    linked = settled.linked({"records": 6}, {1: ADDRESS})
    expected = load(1, 6, 1) + load(2, ADDRESS) + load(3, 7) + load(4, 1824) + load(5, 0x200000001)
    assert linked == expected


def test_what_the_kernel_lacks_becomes_a_call_that_the_verifier_refuses_and_that_is_explained() -> None:
    image = Image((), (Program("p", load(1, number(1)), {}, {0: 1}),), ASKED)
    code = image.settled([0, None, 0], (1,), ()).programs[0].linked({}, {})
    assert len(code) == 16 and code[:8] == code[8:] and code[0] == 0x85
    said = f"4: (85) call unknown#{int.from_bytes(code[4:8], 'little')}; invalid func unknown#1330576385"
    assert image.explained(said) == "it needs symbol tainted_mask, which this kernel does not have"
    for other in ("invalid func unknown#211", "R1 invalid mem access", "invalid func unknown#1330577999"):
        assert image.explained(other) == other


def test_image_survives_being_written() -> None:
    image = Image((MapSpec("records", 4, 4, 4, 0, 0),), (program(),), ASKED)
    assert Image.from_plain(image.to_plain()) == image

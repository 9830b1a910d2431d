"""Learning the kernel's types from its headers, on small made-up trees and with a compiler that only pretends."""

from __future__ import annotations

from pathlib import Path
from struct import pack
from typing import Any, Optional

import pytest

from oomtrace.errors import EXIT_NO_TYPES, OomtraceError
from oomtrace.kernel import eras, header, headers
from oomtrace.kernel.btf import Btf
from oomtrace.kernel.origin import HEADERS
from oomtrace.kernel.questions import questions
from oomtrace.kernel.symbols import Symbols
from oomtrace.programs import source, structures

MEMCONTROL = """\
struct memcg_vmstats;
enum memcg_stat_item {
\tMEMCG_SWAP,
\tMEMCG_NR_STAT,
};
struct mem_cgroup {
\tstruct memcg_vmstats *vmstats;
};
"""


def tree(folder: Path, release: str = "6.1.0-test", **more: str) -> headers.Tree:
    """Installed headers of a kernel under ``folder``."""
    base = folder / release / "build/include/linux"
    base.mkdir(parents=True)
    (base / "sched.h").write_text("struct task_struct {\n\tint pid;\n};\nunion thread_union {\n};\n")
    (base / "memcontrol.h").write_text(MEMCONTROL)
    (base / "unrelated.h").write_text("struct mm_struct;\nint task_struct;\n")
    for name, text in more.items():
        (base / f"{name}.h").write_text(text)
    generated = base.parent / "generated"
    generated.mkdir()
    (generated / "utsrelease.h").write_text(f'#define UTS_RELEASE "{release}"\n')
    found = headers.locate(release, folder)
    assert found is not None
    return found


def ask(types: Btf) -> None:
    types.field("task_struct", "pid")
    types.field("memcg_vmstats", "state")
    types.struct_id("thread_union")
    types.enumerator("MEMCG_NR_STAT")
    types.enumerator("MEMCG_GONE")
    types.enumerator_of("memcg_stat_item", "MEMCG_SWAP")


def asked() -> headers.Asked:
    noted = headers.Asked()
    ask(noted)
    return noted


def blob(enum: str, value: int) -> bytes:
    """A BTF of one enum with an enumerator of its own name."""
    strings = b"\0" + enum.encode() + b"\0"
    types = pack("<III", 1, 6 << 24 | 1, 4) + pack("<II", 1, value)
    return pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings


def test_all_that_is_asked_is_noted() -> None:
    noted, symbols = headers.Asked(), Symbols(b"ffffffff81000000 T _stext\n")
    header.Kernel(noted, symbols, 1, False).answers(questions(source.source()))
    eras.facts(noted, symbols, "6.1.0")
    assert {"task_struct", "memcg_vmstats", "taint_flag", "percpu_counter"} <= noted.structs
    assert {"node_stat_item", "memcg_stat_item", "vm_event_item"} <= noted.enums
    assert "memory_cgrp_id" in noted.enumerators


def test_probe_includes_what_defines_and_completes_what_is_private(tmp_path: Path) -> None:
    probe = headers.probe(tree(tmp_path), asked())
    assert probe.includes == ("linux/memcontrol.h", "linux/sched.h")
    assert probe.definitions == ("struct memcg_vmstats { long state[MEMCG_NR_STAT]; };",)
    assert "volatile union thread_union *" in probe.source and "volatile struct task_struct *" in probe.source


def test_kernel_without_the_private_struct_gets_none(tmp_path: Path) -> None:
    probe = headers.probe(tree(tmp_path, memcontrol="enum memcg_stat_item {\n\tMEMCG_NR_STAT,\n};\n"), asked())
    assert not probe.definitions
    public = "struct memcg_vmstats {\n\tlong state[3];\n};\nstruct memcg_vmstats *vmstats;\n"
    assert not headers.probe(tree(tmp_path, "6.0.0", memcontrol=public), asked()).definitions


def test_questions_at_fault_are_left_out(tmp_path: Path) -> None:
    probe = headers.probe(tree(tmp_path), asked())
    line = next(at for at, text in enumerate(probe.source.splitlines()) if "= MEMCG_GONE" in text)
    faults = headers.faults(f"oomtrace-questions:{line}:50: error: use of undeclared identifier 'MEMCG_GONE'\n")
    assert faults == headers.Faults({line}, None)
    reduced = probe.without(faults)
    assert reduced is not None and len(reduced.questions) == len(probe.questions) - 1
    assert "GONE" not in reduced.source and "MEMCG_NR_STAT" in reduced.source
    assert probe.without(headers.Faults(set(), None)) is None


def test_fault_of_a_header_is_told_by_its_place() -> None:
    said = (
        "In file included from oomtrace-questions:3:\n"
        "/usr/src/linux-headers-7/include/linux/fs.h:2800:1: error: static assertion failed\n"
        "/usr/src/linux-headers-7/include/linux/fs.h:2900:1: error: another\n"
    )
    assert headers.faults(said) == headers.Faults(set(), "include/linux/fs.h:2800: static assertion failed")


def test_enumerators_are_those_of_the_probe() -> None:
    types = headers.HeaderTypes(blob("oomtrace_MEMCG_MAX", 7))
    assert types.enumerator("MEMCG_MAX") == 7 and types.enumerator("MEMCG_LOW") is None


def test_losses_are_said_once_and_by_their_meaning(tmp_path: Path) -> None:
    noted = asked()
    noted.structs |= {"worker", "kthread", "hidden", "of_another_kernel"}
    probe = headers.probe(tree(tmp_path, pointers="struct hidden *somewhere;\n"), noted)
    assert probe.mentioned == ("hidden", "memcg_vmstats", "task_struct")
    assert [text for text in headers.losses(headers.HeaderTypes(blob("x", 1)), probe) if "task_struct" not in text] == [
        "what struct hidden holds",
        "the workqueue that a kernel worker serves",
        "the executable of a process that is gone before it is looked at",
    ]


class Pretender:
    """In the compiler's place: gives the answers that it was made with, one after another."""

    def __init__(self, *answers: tuple[Optional[bytes], str]) -> None:
        self._answers = list(answers)
        self.sources: list[str] = []

    def types(self, text: str) -> tuple[Optional[bytes], str]:
        self.sources.append(text)
        return self._answers.pop(0)


def learn(monkeypatch: pytest.MonkeyPatch, found: Optional[headers.Tree], compiler: Any) -> structures.Structures:
    monkeypatch.setenv("OOMTRACE_BTF", "/nonexistent")
    monkeypatch.setattr(headers, "locate", lambda _release: found)
    monkeypatch.setattr("oomtrace.programs.structures.os.uname", lambda: type("Uname", (), {"release": "6.1.0-test"}))
    return structures.learn(compiler, ask, lambda _message: None)


def test_second_attempt_is_without_what_the_kernel_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = tree(tmp_path)
    lines = headers.probe(found, asked()).source.splitlines()
    at = next(at for at, text in enumerate(lines) if "= MEMCG_GONE" in text)
    wrong = f"oomtrace-questions:{at}:1: error: use of undeclared identifier 'MEMCG_GONE'\n"
    compiler = Pretender((None, wrong), (blob("oomtrace_MEMCG_NR_STAT", 50), ""))
    known = learn(monkeypatch, found, compiler)
    assert known.types.enumerator("MEMCG_NR_STAT") == 50 and known.origin == HEADERS
    assert "MEMCG_GONE" in compiler.sources[0] and "MEMCG_GONE" not in compiler.sources[1]


@pytest.mark.parametrize(
    "release, said, expected",
    [
        (None, "", "no kernel headers are installed for 6.1.0-test"),
        ("6.1.0-other", "", "are for 6.1.0-other, not for 6.1.0-test"),
        ("6.1.0-test", "/x/include/linux/fs.h:28:1: error: no\n", r"cannot compile .* \(include/linux/fs.h:28: no\)"),
        ("6.1.0-test", "the compiling process died", r"cannot compile .* \(the compiling process died\)"),
        ("6.1.0-test", "", r"cannot compile .* \(no reason given\)"),
    ],
)
def test_no_types_is_a_sentence_a_hint_and_a_status(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: Optional[str], said: str, expected: str
) -> None:
    found = tree(tmp_path, release) if release else None
    with pytest.raises(OomtraceError, match=expected) as caught:
        learn(monkeypatch, found, Pretender((None, said)))
    assert caught.value.status == EXIT_NO_TYPES and caught.value.hint and "\n" not in caught.value.message

"""The kernel's answers to what the BPF sources ask, and the header that gives them to the compiler.

Each question becomes a define: ``OFF_task_struct__comm``, ``HAVE_task_struct__comm``. In a header for one kernel it is
the answer. What is not known when the programs are compiled is a number that the compiler cannot see through
(programs/image.py): the addresses of symbols, which change with each boot, and in programs that fit every kernel all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Callable, Optional

from oomtrace.arch import X86_64, Arch
from oomtrace.kernel.btf import Btf, Field
from oomtrace.kernel.questions import Question
from oomtrace.kernel.symbols import Symbols

ADDRESS = "KSYM"
"""The kind of question whose answer depends on where the kernel lies in memory."""

# The answer to a question; None: this kernel has no such thing.
Answer = Optional[int]


def features(btf: Btf, summed_rss: bool) -> dict[str, bool]:
    """Differences between kernels that no single field tells."""
    rss_stat = btf.field("mm_struct", "rss_stat")
    percpu = rss_stat is not None and btf.c_type(rss_stat.type_id)[0] == "u8"
    vmstats = btf.field("mem_cgroup", "vmstats")
    embedded = vmstats is not None and btf.c_type(vmstats.type_id)[0] == "u8"
    return {
        "PERCPU_RSS": percpu,
        "SUMMED_RSS": percpu and summed_rss,
        "EMBEDDED_VMSTATS": embedded,
        "VMPRESSURE_ORDER": "order" in btf.parameters("vmpressure"),  # 7.x; types from headers do not tell
    }


def symbol_names(asked: Sequence[Question]) -> Iterator[str]:
    """The symbols that are asked about."""
    return (question.name for question in asked if "KSYM" in question.kind)


class Kernel:
    """Answers from a kernel's types and symbols, and from what its machine is."""

    def __init__(
        self, btf: Btf, symbols: Symbols, nr_cpus: int, summed_rss: bool, arch: Arch = X86_64, page_bytes: int = 4096
    ) -> None:
        self._btf, self._symbols, self._arch = btf, symbols, arch
        self._machine = {"NR_CPUS": nr_cpus, "PAGE_SHIFT": page_bytes.bit_length() - 1}
        self._features = features(btf, summed_rss)
        self._fields: dict[tuple[str, str], Optional[Field]] = {}

    def answers(self, asked: Sequence[Question]) -> tuple[Answer, ...]:
        """One for each question."""
        return tuple(map(self._answer, asked))

    def _answer(self, question: Question) -> Answer:
        kind, name = question.kind, question.name
        if kind in self._machine:
            return self._machine[kind]
        if kind == "FEATURE":
            return int(self._features[name])
        if kind == "ARCH":
            return int(getattr(self._arch, name))
        if "." in name:
            return self._of_field(kind, self._field(*question.field))
        if kind.endswith("SIZEOF"):
            struct = self._btf.struct_id(name)
            return int(struct is not None) if kind == "HAVE_SIZEOF" else struct and self._btf.size_bytes(struct)
        if kind.endswith("ENUM"):
            value = self._btf.enumerator(name)
            return int(value is not None) if kind == "HAVE_ENUM" else value
        if kind == "KSYM_SIZE":
            return self._symbols.size_bytes(name)
        address = self._symbols.address(name)
        return int(address is not None) if kind == "HAVE_KSYM" else address

    def _field(self, struct: str, name: str) -> Optional[Field]:
        key = struct, name
        if key not in self._fields:
            found = self._btf.field(struct, name)
            self._fields[key] = None if found is None or found.bit_size is not None else found
        return self._fields[key]

    def _of_field(self, kind: str, field: Optional[Field]) -> Answer:
        if kind == "HAVE":
            return int(field is not None)
        if field is None:
            return None
        if kind == "OFF":
            return field.offset_bytes
        return self._btf.size_bytes(field.type_id) if kind == "SIZE" else self._btf.length(field.type_id)


def text(asked: Sequence[Question], answers: Sequence[Answer], mark: Callable[[int], str]) -> str:
    """The header; ``mark`` is the C for the number that stands for the answer to the i-th question, until it is known.

    Without ``answers`` (an empty sequence) none is.
    """
    lines = ["/* generated */"]
    for index, question in enumerate(asked):
        known = None if question.kind == ADDRESS or not answers else answers[index]
        lines.append(f"#define {question.define} {mark(index) if known is None else f'{known}ULL'}")
    return "\n".join(lines) + "\n"


def missing(asked: Sequence[Question], answers: Sequence[Answer]) -> tuple[str, ...]:
    """What was asked for and is not there, as a person would call it."""
    lacking = (question for question, answer in zip(asked, answers) if answer is None or _denied(question, answer))
    return tuple(sorted({question.subject for question in lacking}))


def _denied(question: Question, answer: int) -> bool:
    return question.kind.startswith("HAVE") and not answer


def offsets_bytes(asked: Sequence[Question], answers: Sequence[Answer]) -> Mapping[str, int]:
    """Of the fields that are read: "task_struct.comm"."""
    found = zip(asked, answers)
    return {question.name: answer for question, answer in found if question.kind == "OFF" and answer is not None}

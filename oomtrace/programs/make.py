"""Making a plan: the kernel's symbols and types are read, and the programs that are shipped are made to fit them.

Where those do not serve, the programs are compiled here, for this kernel.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Callable, Optional

from oomtrace.facts import Facts
from oomtrace.kernel import btf, eras, header, ksymtab, machine, probes
from oomtrace.kernel.btf import Btf
from oomtrace.kernel.origin import BTF, btf_path, origin
from oomtrace.kernel.questions import Question
from oomtrace.kernel.symbols import SYMBOLS, Symbols
from oomtrace.programs import prebuilt, source
from oomtrace.programs.ahead import Ahead
from oomtrace.programs.image import Image, mark
from oomtrace.programs.plan import COMPILED, SHIPPED, Plan

_ROOM_KB = 400 << 10  # a compiling process takes some 120 MiB


def make(base: int, compiled: bool, say: Callable[[str], None]) -> Plan:
    """The plan for the running kernel, whose ``_stext`` is at ``base``; with programs ``compiled`` here if that is
    asked for or cannot be avoided. Raises OomtraceError."""
    if not compiled:
        try:
            return make_shipped(base)
        except prebuilt.Unfit as reason:
            say(f"oomtrace: the programs are compiled here: {reason}")
    return _make_compiled(base, say)


class _Answers:
    """What the running kernel says: of its symbols, and of whatever types it is asked with."""

    def __init__(self, asked: Sequence[Question], alongside: bool = False) -> None:
        """``alongside``: the symbols are read by a process of its own, while this one may read types."""
        self.release, self.arch = os.uname().release, machine.arch()
        self._data = list(header.symbol_names(asked))
        self._reading: Optional[Ahead] = None
        with suppress(OSError):
            self._reading = Ahead(lambda: json.dumps(_symbols(self._data).to_plain())) if alongside else None

    @cached_property
    def symbols(self) -> Symbols:
        """Those that are asked for. Raises OSError."""
        read = self._reading.text() if self._reading else None
        return _symbols(self._data) if read is None else Symbols.from_plain(json.loads(read))

    def forget(self) -> None:
        """Nothing will be asked."""
        if self._reading:
            self._reading.text()

    def to(self, asked: Sequence[Question], types: Btf) -> tuple[header.Answer, ...]:
        """The answers to the programs' questions."""
        cpus, summed = machine.possible_cpus(), eras.summed_rss(self.release)
        page_bytes = machine.page_bytes()
        return header.Kernel(types, self.symbols, cpus, summed, self.arch, page_bytes).answers(asked)

    def facts(self, types: Btf) -> Facts:
        """What decoding must know."""
        return eras.facts(types, self.symbols, self.release)


def _symbols(data: list[str]) -> Symbols:
    """Those that are asked for: the programs' ``data``, and what they enter."""
    symbols = Symbols.excerpt([*probes.symbol_names(), *data, *eras.SYMBOLS, *ksymtab.SYMBOLS, *SYMBOLS])
    if not symbols.lists_data:
        symbols.learn(ksymtab.addresses(data, symbols))
    return symbols


def make_shipped(base: int) -> Plan:
    """The plan with the programs that are shipped. Raises prebuilt.Unfit where they do not serve, or OomtraceError."""
    if origin() != BTF:
        raise prebuilt.Unfit(f"there is no BTF at {btf_path()}")
    image = prebuilt.load()
    answers = _Answers(_asked(image), alongside=True)
    types = btf.load()
    if types is None:
        answers.forget()
        raise prebuilt.Unfit(f"{btf_path()} cannot be read")
    return _plan(answers, image, SHIPPED, types, BTF, (), base)


def _make_compiled(base: int, say: Callable[[str], None]) -> Plan:
    # late: programs that are shipped need nothing of it
    from oomtrace.programs import structures
    from oomtrace.programs.compiler import Compiler

    compiler = Compiler()  # loads bcc while this process reads symbols and types
    try:
        asked = prebuilt.asked()
        kernel = _Answers(asked)
        probes.resolve(kernel.symbols)  # in vain without those that are indispensable
        known = structures.learn(compiler, lambda types: (kernel.to(asked, types), kernel.facts(types)), say)
        answers = kernel.to(asked, known.types)
        head = header.text(asked, answers, mark)
        texts = [head + part for part in source.sources(_side_by_side())]
        image = compiler.compile(texts, list(header.missing(asked, answers)))
    finally:
        compiler.close()
    image = Image(image.maps, image.programs, tuple(map(str, asked)))
    return _plan(kernel, image, COMPILED, known.types, known.origin, known.lost, base)


def _plan(
    kernel: _Answers, image: Image, programs: str, types: Btf, where: str, lost: tuple[str, ...], base: int
) -> Plan:
    asked = _asked(image)
    answers = kernel.to(asked, types)
    symbols, targets = kernel.symbols, probes.resolve(kernel.symbols)
    addresses = {
        index: answer
        for index, (question, answer) in enumerate(zip(asked, answers))
        if question.kind == header.ADDRESS and answer is not None
    }
    return Plan(
        image=image.settled(answers, tuple(addresses), kernel.arch.registers),
        programs=programs,
        targets=tuple(target.symbol for target in targets),
        entries=tuple(symbols.address(target.symbol) if target.symbol else None for target in targets),
        type_ids=tuple(_type_id(target, types, where) for target in targets),
        addresses=addresses,
        base=base,
        facts=replace(kernel.facts(types), offsets_bytes=dict(header.offsets_bytes(asked, answers))).to_plain(),
        missing=header.missing(asked, answers),
        origin=where,
        lost=lost,
    )


def _asked(image: Image) -> tuple[Question, ...]:
    return tuple(map(Question.parse, image.asked))


def _side_by_side() -> bool:
    """Whether to compile in two processes: where there are CPUs for them, and memory beside what the machine needs."""
    return len(os.sched_getaffinity(0)) > 1 and machine.available_kb() >= _ROOM_KB


def _type_id(target: probes.Target, types: Btf, where: str) -> Optional[int]:
    if target.probe.direct is None or target.symbol is None or where != BTF:
        return None
    return types.function_id(target.symbol)

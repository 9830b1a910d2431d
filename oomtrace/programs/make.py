"""Making a plan: the kernel's symbols and types are read, and the programs compiled for them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Callable, Optional, Tuple

from oomtrace.facts import Facts
from oomtrace.kernel import eras, header, machine, probes
from oomtrace.kernel.btf import Btf
from oomtrace.kernel.origin import BTF
from oomtrace.kernel.symbols import Symbols
from oomtrace.programs import source, structures
from oomtrace.programs.compiler import Compiler
from oomtrace.programs.image import mark
from oomtrace.programs.plan import Plan

_ROOM_KB = 400 << 10  # a compiling process takes some 120 MiB


def make(base: int, say: Callable[[str], None]) -> Plan:
    """The plan for the running kernel, whose ``_stext`` is at ``base``. Raises OomtraceError."""
    compiler = Compiler()  # loads bcc while this process reads symbols and types
    try:
        symbols, release = Symbols.load(), os.uname().release
        targets = probes.resolve(symbols)
        text = source.source()

        def answers(types: Btf) -> Tuple[header.Header, Facts]:
            made = header.generate(text, types, symbols, machine.possible_cpus(), eras.summed_rss(release), mark)
            return made, eras.facts(types, symbols, release)

        known = structures.learn(compiler, answers, say)
        made, facts = answers(known.types)
        texts = [made.text + part for part in source.sources(_side_by_side())]
        image = compiler.compile(texts, list(made.missing))
    finally:
        compiler.close()
    return Plan(
        image=image,
        targets=tuple(target.symbol for target in targets),
        entries=tuple(symbols.address(target.symbol) if target.symbol else None for target in targets),
        type_ids=tuple(_type_id(target, known) for target in targets),
        addresses=tuple(symbols.address(name) or 0 for name in made.symbols),
        base=base,
        facts=replace(facts, offsets_bytes=dict(made.offsets_bytes)).to_plain(),
        missing=made.missing,
        origin=known.origin,
        lost=known.lost,
    )


def _side_by_side() -> bool:
    """Whether to compile in two processes: where there are CPUs for them, and memory beside what the machine needs."""
    return len(os.sched_getaffinity(0)) > 1 and machine.available_kb() >= _ROOM_KB


def _type_id(target: probes.Target, known: structures.Structures) -> Optional[int]:
    if target.probe.direct is None or target.symbol is None or known.origin != BTF:
        return None
    return known.types.function_id(target.symbol)

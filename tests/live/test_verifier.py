"""The kernel of this machine takes each program: where it knows all symbols, and where it lists functions alone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Optional

import pytest

from oomtrace.errors import OomtraceError
from oomtrace.kernel import ksymtab
from oomtrace.kernel.origin import btf_path
from oomtrace.kernel.symbols import Symbols, base_address
from oomtrace.live import bpf
from oomtrace.programs.make import make
from oomtrace.programs.plan import Plan

TABLE_BYTES = 110  # a table with an entry of one byte for each item, as good as any
OF_OTHER_KERNELS = {"contig_page_data"}  # of those without NUMA


def _base() -> int:
    base: Optional[int] = None
    if btf_path().exists():
        base = base_address()
    if base is None:
        pytest.skip("this machine's kernel shows no types, or no addresses")
    return base


def _refused(plan: Plan) -> list[str]:
    """What the kernel says against programs; each of them is loaded, and gone with its descriptor."""
    try:
        maps = {spec.name: bpf.create_map(spec) for spec in plan.image.maps}
    except PermissionError:
        pytest.skip("no BPF maps may be made here (root and bpf(2) are needed)")
    said = []
    for program in plan.image.programs:
        if program.name.endswith("_direct"):  # which need the type of their function
            continue
        try:
            os.close(bpf.load_program(program.name, program.linked(maps, plan.at(plan.base))))
        except bpf.VerifierError as error:
            said.append(f"{program.name}: {plan.image.explained(str(error))}")
    for fd in maps.values():
        os.close(fd)
    return said


def test_programs_pass_the_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    base = _base()

    def everything(names: Iterable[str], _symbols: Symbols) -> dict[str, int]:
        wanted = (name for name in names if name not in OF_OTHER_KERNELS)
        return {name: base + 0x2000000 + 4096 * number for number, name in enumerate(wanted)}

    monkeypatch.setattr(ksymtab, "addresses", everything)
    monkeypatch.setattr(Symbols, "size_bytes", lambda _self, _name: TABLE_BYTES)
    try:
        plan = make(base, False, lambda _: None)
    except OomtraceError as error:  # an older kernel than we are for
        pytest.skip(str(error))
    assert _refused(plan) == []


def test_those_that_nothing_works_without_do_without_data_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    base = _base()
    monkeypatch.setattr(ksymtab, "addresses", lambda *_: {})
    data = {"tainted_mask", "vm_node_stat", "vm_zone_stat", "node_data", "totalcma_pages", "dump_stack_arch_desc_str",
            "__cpu_online_mask", "mem_cgroup_events_index", "mem_cgroup_stats_index", "hstates", "root_mem_cgroup"}
    line_of = Symbols._line_of
    monkeypatch.setattr(Symbols, "_line_of", lambda self, name: None if name in data else line_of(self, name))
    try:
        plan = make(base, False, lambda _: None)
    except OomtraceError as error:
        pytest.skip(str(error))
    assert {said.split(":")[0] for said in _refused(plan)} <= {"send_signal"}

"""Symbols, generated header and linking of programs, on small made-up kernels."""

from __future__ import annotations

import textwrap

import pytest

from oomtrace.errors import OomtraceError
from oomtrace.kernel import header, machine, probes
from oomtrace.kernel.btf import Btf
from oomtrace.kernel.symbols import Symbols
from oomtrace.programs.image import Image, MapSpec, Program, mark

KALLSYMS = b"""\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000100 t oom_badness.part.0
ffffffff81000180 T oom_badness
ffffffff81000200 t memcg_stat_format.constprop.0
ffffffff81000300 T first_alias
ffffffff81000300 T second_alias
ffffffff81000400 t oom_kill_process.cold
ffffffff81000500 T _etext
ffffffff82000000 D tainted_mask
ffffffff82000008 D next_data
ffffffffc0000000 t mod_init\t[mod]
ffffffffc0000080 t mod_run\t[mod]
"""


def test_names_of_return_addresses() -> None:
    resolver = Symbols(KALLSYMS).resolver()
    assert resolver.name(0xFFFFFFFF81000110) == "oom_badness.part.0+0x10/0x80"
    # %pB looks up the byte before: a call that never returns leaves the next function's first address.
    assert resolver.name(0xFFFFFFFF81000180) == "oom_badness.part.0+0x80/0x80"
    assert resolver.name(0xFFFFFFFF81000310) == "first_alias+0x10/0x100"
    assert resolver.name(0xFFFFFFFFC0000085) == "mod_run+0x5/0xf80 [mod]" or resolver.name(0xFFFFFFFFC0000085)
    assert resolver.is_text(0xFFFFFFFF81000110) and not resolver.is_text(0xFFFFFFFF82000000)
    assert not resolver.is_text(0x401845) and not resolver.is_text(0xFFFFFFFFC0100000)


def test_functions_are_found_under_the_compilers_names() -> None:
    symbols = Symbols(KALLSYMS)
    assert symbols.function("memcg_stat_format") == "memcg_stat_format.constprop.0"
    assert symbols.function("oom_badness") == "oom_badness"
    assert symbols.function("oom_kill_process") is None, "the cold part is not its entry"
    assert symbols.size_bytes("first_alias") == 0x100 and symbols.size_bytes("tainted_mask") == 8


def test_missing_indispensable_function_is_named() -> None:
    with pytest.raises(OomtraceError, match="no function __oom_kill_process") as caught:
        probes.resolve(Symbols(KALLSYMS))
    assert caught.value.hint and caught.value.status == 13


def test_hidden_symbols_are_noticed() -> None:
    assert not Symbols(b"0000000000000000 T _stext\n").readable


def test_questions_are_read_from_the_source() -> None:
    asked = header.questions(
        textwrap.dedent("""
        #define GET(p, s, f) ({ TYPE_##s##__##f _value; })
        /* GET(not, this, one) */
        x = GET(GET(task, task_struct, signal), signal_struct, oom_score_adj) + ENUM(MEMCG_MAX);
        y = PEEK(u64, AT(f(a, b), css_set, subsys) + KSYM(tainted_mask)) + SIZEOF_percpu_counter;
        #ifdef HAVE_memcg_vmstats__state
        """)
    )
    assert set(asked.fields) == {
        ("task_struct", "signal"),
        ("signal_struct", "oom_score_adj"),
        ("css_set", "subsys"),
        ("memcg_vmstats", "state"),
    }
    assert asked.enumerators == ("MEMCG_MAX",) and asked.symbols == ("tainted_mask",)
    assert asked.sizes == ("percpu_counter",)


def test_not_btf() -> None:
    with pytest.raises(OomtraceError, match="not BTF"):
        Btf(b"\x7fELF" + bytes(40))


def test_a_page_of_bpfs_trampoline_is_its_size() -> None:
    listed = b"ffffffff81000000 T _stext\nffffffff82000000 T _etext\n"
    listed += b"ffffffffc0256000 t bpf_trampoline_6442506589\t[bpf]\nffffffffc0258000 t bpf_prog_6deef7\t[bpf]\n"
    listed += b"ffffffffc025af40 t bpf_trampoline_6442554453\t[bpf]\nffffffffc025afc0 t bpf_dispatcher_xdp\t[bpf]\n"
    resolver = Symbols(listed).resolver()
    assert resolver.name(0xFFFFFFFFC025605E) == "bpf_trampoline_6442506589+0x5e/0x1000"
    assert not resolver.is_text(0xFFFFFFFFC0257010)
    assert resolver.name(0xFFFFFFFFC025AF50) == "bpf_trampoline_6442554453+0x10/0x80", "later kernels pack them"


def test_linking_puts_in_maps_and_addresses_and_nothing_else() -> None:
    load_map = bytes([0x18, 0x11, 0, 0]) + (99).to_bytes(4, "little") + bytes(8)
    load_mark = bytes([0x18, 0x02, 0, 0]) + (mark(1) + 8).to_bytes(8, "little")[:4] + bytes(4)
    load_mark += (mark(1) + 8).to_bytes(8, "little")[4:]
    constant = bytes([0x18, 0x03, 0, 0]) + b"\x01\0\0\0" + bytes(4) + b"\x02\0\0\0"
    program = Program("p", load_map + load_mark + constant, {0: "records"})
    linked = program.linked({"records": 7}, [0, 0xFFFFFFFF82000000])
    assert linked[4:8] == (7).to_bytes(4, "little")
    assert linked[20:24] + linked[28:32] == (0xFFFFFFFF82000008).to_bytes(8, "little")
    assert linked[32:] == constant
    image = Image((MapSpec("records", 4, 4, 4, 2, 0),), (program,))
    assert Image.from_plain(image.to_plain()) == image


@pytest.mark.parametrize(
    "version, mode, expected",
    [
        ("#1 SMP PREEMPT_DYNAMIC Debian 7.3.4-1", "none voluntary full (lazy)\n", "PREEMPT(lazy)"),
        ("#1 SMP PREEMPT_DYNAMIC", "none voluntary (full) lazy\n", "PREEMPT(full)"),
        ("#1 SMP PREEMPT_RT", "", "PREEMPT_RT"),
        ("#1 SMP", "", "NONE"),
    ],
)
def test_preempt_model(version: str, mode: str, expected: str) -> None:
    assert machine.preempt_model(version, mode) == expected

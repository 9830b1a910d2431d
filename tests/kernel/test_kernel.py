"""Symbols, questions and the generated header, on small made-up kernels."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import textwrap
from io import BytesIO
from pathlib import Path
from struct import pack_into, unpack_from
from typing import Optional

import pytest

from oomtrace.errors import OomtraceError
from oomtrace.kernel import addresses, header, jited, machine, probes, symbols
from oomtrace.kernel.addresses import Resolver
from oomtrace.kernel.btf import Btf, Field
from oomtrace.kernel.questions import Question, questions
from oomtrace.kernel.symbols import Symbols

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
    resolver = Resolver(BytesIO(KALLSYMS))
    assert resolver.name(0xFFFFFFFF81000110) == "oom_badness.part.0+0x10/0x80"
    # %pB looks up the byte before: a call that never returns leaves the next function's first address.
    assert resolver.name(0xFFFFFFFF81000180) == "oom_badness.part.0+0x80/0x80"
    assert resolver.name(0xFFFFFFFF81000310) == "first_alias+0x10/0x100"
    assert resolver.name(0xFFFFFFFFC0000085) == "mod_run+0x5/0xf80 [mod]" or resolver.name(0xFFFFFFFFC0000085)
    assert resolver.is_text(0xFFFFFFFF81000110) and not resolver.is_text(0xFFFFFFFF82000000)
    assert not resolver.is_text(0x401845) and not resolver.is_text(0xFFFFFFFFC0100000)


@pytest.mark.parametrize("block_bytes", [7, 64, 300])
def test_names_read_by_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    whole = Resolver(BytesIO(KALLSYMS))
    monkeypatch.setattr(addresses, "_BLOCK_BYTES", block_bytes)
    resolver = Resolver(BytesIO(KALLSYMS))
    for address in (*range(0xFFFFFFFF81000001, 0xFFFFFFFF81000520, 8), 0xFFFFFFFF82000004, 0xFFFFFFFFC0000085, 1):
        assert resolver.name(address) == whole.name(address)
        assert resolver.is_text(address) == whole.is_text(address)
    assert resolver.name(0xFFFFFFFF81000500) == "oom_kill_process.cold+0x100/0x100"
    assert resolver.name(0xFFFFFFFF81000501) is None, "what lies behind _etext is no code"
    assert resolver.lists_data


def test_the_padding_of_a_function_has_its_name_and_takes_no_memory_for_it() -> None:
    listed = b"ffffffff81000000 T _stext\nffffffff81000010 t __pfx_load\nffffffff81000020 t load\n"
    listed += b"ffffffff81000080 t __pfx_other\nffffffff81000090 t save\nffffffff81000100 T _etext\n"
    resolver = Resolver(BytesIO(listed))
    assert resolver.name(0xFFFFFFFF81000014) == "__pfx_load+0x4/0x10"
    assert resolver.name(0xFFFFFFFF81000024) == "load+0x4/0x60"
    assert resolver.name(0xFFFFFFFF81000084) == "__pfx_other+0x4/0x10", "that is no padding of save"
    assert resolver.name(0xFFFFFFFF810000A0) == "save+0x10/0x70"


def test_functions_are_found_under_the_compilers_names() -> None:
    symbols = Symbols(KALLSYMS)
    assert symbols.function("memcg_stat_format") == "memcg_stat_format.constprop.0"
    assert symbols.function("oom_badness") == "oom_badness"
    assert symbols.function("oom_kill_process") is None, "the cold part is not its entry"
    assert symbols.size_bytes("first_alias") == 0x100 and symbols.size_bytes("tainted_mask") == 8


@pytest.mark.parametrize("block_bytes", [2, 7, 64, 1 << 18])
def test_an_excerpt_says_the_same_as_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(symbols, "_BLOCK_BYTES", block_bytes)
    names = ["_stext", "first_alias", "tainted_mask", "mod_run", "gone", "oom_badness", "memcg_stat_format",
             "oom_kill_process"]
    for text in (KALLSYMS, KALLSYMS[: KALLSYMS.index(b"ffffffffc0000000")]):
        listed = tmp_path / "kallsyms"
        listed.write_bytes(text)
        whole, excerpt = Symbols(text), Symbols.excerpt(names, listed)
        for name in names:
            assert excerpt.address(name) == whole.address(name), name
            assert excerpt.size_bytes(name) == whole.size_bytes(name), name
            assert excerpt.function(name) == whole.function(name), name
        assert excerpt.function("oom_badness") == "oom_badness" and excerpt.size_bytes("first_alias") == 0x100
        with pytest.raises(LookupError, match="second_alias"):
            excerpt.address("second_alias")
        excerpt.learn({"gone": 7})
        same = Symbols.from_plain(json.loads(json.dumps(excerpt.to_plain())))
        assert [same.address(name) for name in names] == [excerpt.address(name) for name in names]
        assert same.address("gone") == 7
        with pytest.raises(LookupError, match="second_alias"):
            same.address("second_alias")


def test_missing_indispensable_function_is_named() -> None:
    with pytest.raises(OomtraceError, match="no function __oom_kill_process") as caught:
        probes.resolve(Symbols(KALLSYMS))
    assert caught.value.hint and caught.value.status == 13


def test_a_probe_may_be_of_no_use_to_a_kernel_that_has_its_function() -> None:
    probe = next(probe for probe in probes.PROBES if probe.needs == "alloc_tag_top_users")
    listed = KALLSYMS + b"ffffffff81000480 T _printk\n"
    assert probes.find(probe, Symbols(listed)) is None
    assert probes.find(probe, Symbols(listed + b"ffffffff81000490 T alloc_tag_top_users\n")) == "_printk"
    assert {"_printk", "alloc_tag_top_users"} <= set(probes.symbol_names())


def test_questions_are_read_from_the_source() -> None:
    asked = questions(
        textwrap.dedent("""
        #define GET(p, s, f) ({ u64 _value; read(&_value, \\
                                SIZE(s, f), AT(p, s, f)); })
        /* GET(not, this, one) */
        x = GET(GET(task, task_struct, signal), signal_struct, oom_score_adj) + ENUM(MEMCG_MAX);
        y = PEEK(u64, AT(f(a, b), css_set, subsys) + KSYM(tainted_mask)) + SIZEOF(percpu_counter);
        if (HAVE(memcg_vmstats, state) && FEATURE(PERCPU_RSS) && i < NR_CPUS)
        """)
    )
    assert list(map(str, asked)) == [
        "ENUM MEMCG_MAX",
        "FEATURE PERCPU_RSS",
        "HAVE memcg_vmstats.state",
        "KSYM tainted_mask",
        "NR_CPUS",
        "OFF css_set.subsys",
        "OFF signal_struct.oom_score_adj",
        "OFF task_struct.signal",
        "SIZE signal_struct.oom_score_adj",
        "SIZE task_struct.signal",
        "SIZEOF percpu_counter",
    ]
    assert [Question.parse(str(question)) for question in asked] == list(asked)


class Types(Btf):
    """A kernel whose task_struct has a comm, and no more."""

    def __init__(self) -> None: ...

    def field(self, struct: str, name: str) -> Optional[Field]:
        return Field(1824, 5, 1824 * 8, None) if (struct, name) == ("task_struct", "comm") else None

    def size_bytes(self, type_id: int) -> int:
        return 16

    def enumerator(self, name: str) -> Optional[int]:
        return 3 if name == "MEMCG_MAX" else None

    def parameters(self, function: str) -> tuple[str, ...]:
        return ()


ASKED = tuple(
    Question.parse(text)
    for text in ("OFF task_struct.comm", "SIZE task_struct.comm", "HAVE task_struct.gone", "OFF task_struct.gone",
                 "ENUM MEMCG_MAX", "HAVE_ENUM MEMCG_GONE", "KSYM tainted_mask", "KSYM_SIZE tainted_mask", "NR_CPUS")
)


def test_answers_and_what_is_missing() -> None:
    answers = header.Kernel(Types(), Symbols(KALLSYMS), 2, False).answers(ASKED)
    assert answers == (1824, 16, 0, None, 3, 0, 0xFFFFFFFF82000000, 8, 2)
    assert header.missing(ASKED, answers) == ("enumerator MEMCG_GONE", "struct task_struct.gone")
    assert header.offsets_bytes(ASKED, answers) == {"task_struct.comm": 1824}


def test_header_for_one_kernel_has_its_answers_but_no_addresses() -> None:
    answers = header.Kernel(Types(), Symbols(KALLSYMS), 2, False).answers(ASKED)
    one = header.text(ASKED, answers, "mark {}".format)
    assert "#define OFF_task_struct__comm 1824ULL\n" in one and "#define NR_CPUS 2ULL\n" in one
    assert "#define HAVE_task_struct__gone 0ULL\n" in one and "#define OFF_task_struct__gone mark 3\n" in one
    assert "#define KSYM_tainted_mask mark 6\n" in one
    every = header.text(ASKED, (), "mark {}".format)
    assert every.count("mark ") == len(ASKED)


def test_not_btf() -> None:
    with pytest.raises(OomtraceError, match="not BTF"):
        Btf(b"\x7fELF" + bytes(40))


def test_a_page_of_bpfs_trampoline_is_its_size() -> None:
    listed = b"ffffffff81000000 T _stext\nffffffff82000000 T _etext\n"
    listed += b"ffffffffc0256000 t bpf_trampoline_6442506589\t[bpf]\nffffffffc0258000 t bpf_prog_6deef7\t[bpf]\n"
    listed += b"ffffffffc025af40 t bpf_trampoline_6442554453\t[bpf]\nffffffffc025afc0 t bpf_dispatcher_xdp\t[bpf]\n"
    resolver = Resolver(BytesIO(listed))
    assert resolver.name(0xFFFFFFFFC025605E) == "bpf_trampoline_6442506589+0x5e/0x1000"
    assert not resolver.is_text(0xFFFFFFFFC0257010)
    assert resolver.name(0xFFFFFFFFC025AF50) == "bpf_trampoline_6442554453+0x10/0x80", "later kernels pack them"


def test_marks_of_the_assembler_are_no_symbols() -> None:
    listed = b"ffff800080000000 T _stext\nffff800082000000 T _etext\n"
    listed += b"ffff80007a000000 t $x\t[ext4]\nffff80007a000000 t ext4_page_mkwrite\t[ext4]\n"
    listed += b"ffff80007a000570 t $d\t[ext4]\nffff80007a000578 t $x\t[ext4]\nffff80007a000578 t ext4_next\t[ext4]\n"
    resolver = Resolver(BytesIO(listed))
    assert resolver.name(0xFFFF80007A000448) == "ext4_page_mkwrite+0x448/0x578 [ext4]"


def test_a_bpf_program_is_as_long_as_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = b"ffffffff81000000 T _stext\nffffffff81000100 t bpf_prog_pack_alloc\nffffffff82000000 T _etext\n"
    listed += b"ffffffffc0256000 t bpf_prog_1\t[bpf]\nffffffffc0256a04 t bpf_prog_2\t[bpf]\n"
    monkeypatch.setattr(jited, "lengths", lambda: {0xFFFFFFFFC0256000: 0x9E0})
    resolver = Resolver(BytesIO(listed))
    assert resolver.name(0xFFFFFFFFC02560E6) == "bpf_prog_1+0xe6/0x9e0"
    assert resolver.is_text(0xFFFFFFFFC02569DF) and not resolver.is_text(0xFFFFFFFFC02569E0)
    assert resolver.is_text(0xFFFFFFFFC0256A04), "of others nothing is known"
    older = Resolver(BytesIO(listed.replace(b"bpf_prog_pack_alloc", b"bpf_jit_binary_alloc")))
    assert older.name(0xFFFFFFFFC02560E6) == "bpf_prog_1+0xe6/0xa04"


def test_the_lengths_of_all_bpf_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = {3: {0x1000: 64}, 7: {}, 9: {0x2000: 100, 0x3000: 200}}  # the second goes before it is looked at
    opened: dict[int, int] = {}

    def bpf_in(command: int, attributes: "ctypes.Array[ctypes.c_char]") -> int:
        (last,) = unpack_from("<I", attributes)
        following = next((number for number in programs if number > last), None)
        if command != 11 or following is None:
            raise OSError(errno.ENOENT, "")
        pack_into("<I", attributes, 4, following)
        return 0

    def bpf(command: int, attributes: bytes) -> int:
        (first,) = unpack_from("<I", attributes)
        if command == 13:
            if not programs[first]:
                raise OSError(errno.ENOENT, "")
            program = os.open(os.devnull, os.O_RDONLY)
            opened[program] = first
            return program
        _, size, address = unpack_from("<IIQ", attributes)
        info = (ctypes.c_char * size).from_address(address)
        room, _, starts_at, sizes_at = unpack_from("<IIQQ", info, 104)
        functions = programs[opened[first]]
        assert room >= len(functions)
        for index, (start, length) in enumerate(functions.items()):
            ctypes.c_uint64.from_address(starts_at + 8 * index).value = start
            ctypes.c_uint32.from_address(sizes_at + 4 * index).value = length
        return 0

    monkeypatch.setattr(jited.syscalls, "bpf_in", bpf_in)
    monkeypatch.setattr(jited.syscalls, "bpf", bpf)
    assert jited.lengths() == {0x1000: 64, 0x2000: 100, 0x3000: 200}
    assert not [program for program in opened if os.path.exists(f"/proc/self/fd/{program}")]


@pytest.mark.parametrize(
    "version, mode, lazy, expected",
    [
        ("#1 SMP PREEMPT_DYNAMIC Debian 7.3.4-1", "none voluntary full (lazy)\n", None, "PREEMPT(lazy)"),
        ("#1 SMP PREEMPT_DYNAMIC", "none voluntary (full) lazy\n", None, "PREEMPT(full)"),
        ("#1 SMP PREEMPT_RT", "", False, "PREEMPT_RT"),
        ("#1 SMP PREEMPT_RT", "", True, "PREEMPT_{RT,LAZY}"),
        ("#1 SMP", "", None, "NONE"),
        ("#1 SMP PREEMPT Debian 7.3.4-1~bpo13+1", "", True, "PREEMPTLAZY"),
        ("#1 SMP PREEMPT", "", False, "PREEMPT"),
        ("#1 SMP PREEMPT", "", None, None),
    ],
)
def test_preempt_model(version: str, mode: str, lazy: Optional[bool], expected: Optional[str]) -> None:
    assert machine.preempt_model(version, mode, lazy) == expected

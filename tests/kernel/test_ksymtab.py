"""The kernel's table of exported symbols, in a core file made by hand."""

from __future__ import annotations

from pathlib import Path
from struct import pack

from oomtrace.kernel import ksymtab
from oomtrace.kernel.symbols import Symbols

BASE = 0xFFFF800080000000
TEXT_END, END = BASE + 0x1000, BASE + 0x3000
PRINTK, NODE_STAT = BASE + 0x40, BASE + 0x9008
LISTED = {"_stext": BASE, "_printk": PRINTK, "_etext": TEXT_END, "_sinittext": END}
KALLSYMS = "".join(f"{address:016x} T {name}\n" for name, address in LISTED.items()).encode()
FOUND = {"_printk": PRINTK, "vm_node_stat": NODE_STAT}
NAMES = ("_printk", "vm_node_stat", "tainted_mask")


def _table(printk: int) -> bytes:
    """Memory from _etext on: strings, of which one is not a symbol's name, and two entries of three words."""
    data = bytearray(END - TEXT_END)
    strings = b"\0vm_node_stat\0in vm_node_stat\0warn_printk\0\0"
    data[0x800 : 0x800 + len(strings)] = strings
    for place, name, value in ((0x104, b"_printk", printk), (0x110, b"vm_node_stat", NODE_STAT)):
        name_at = 0x801 + strings.index(name + b"\0") - 1
        data[place : place + 12] = pack("<iii", value - TEXT_END - place, name_at - place - 4, 0)
    data[0x304:0x30C] = pack("<ii", 4, 0x801 - 0x308)  # two words that point at a name by chance
    return bytes(data)


def _core(path: Path, memory: bytes, first: int = TEXT_END) -> Path:
    """An ELF core file with a note and that memory."""
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += pack("<HHIQQQIHHHHHH", 4, 183, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    segments = pack("<IIQQQQQQ", 4, 0, 176, 0, 0, 0, 0, 0)
    segments += pack("<IIQQQQQQ", 1, 7, 176, first, 0, len(memory), len(memory), 4096)
    path.write_bytes(header + segments + memory)
    return path


def _found(core: Path, text: bytes = KALLSYMS) -> dict[str, int]:
    return ksymtab.addresses(NAMES, Symbols(text), core)


def test_what_is_exported_is_found(tmp_path: Path) -> None:
    assert _found(_core(tmp_path / "kcore", _table(PRINTK))) == FOUND
    before = _core(tmp_path / "larger", bytes(0x1000) + _table(PRINTK), BASE)
    assert _found(before) == FOUND, "the segment may begin before"


def test_nothing_is_believed_of_a_table_that_contradicts_kallsyms(tmp_path: Path) -> None:
    assert _found(_core(tmp_path / "kcore", _table(PRINTK + 4))) == {}
    assert _found(_core(tmp_path / "empty", bytes(END - TEXT_END))) == {}


def test_memory_that_cannot_be_read(tmp_path: Path) -> None:
    assert _found(tmp_path / "none") == {}
    assert _found(_core(tmp_path / "elsewhere", _table(PRINTK), TEXT_END + 8)) == {}
    assert _found(_core(tmp_path / "kcore", _table(PRINTK)), KALLSYMS.replace(b"_etext", b"_other")) == {}


def test_what_is_in_the_kernels_data(tmp_path: Path) -> None:
    core, symbols = _core(tmp_path / "kcore", _table(PRINTK)), Symbols(KALLSYMS)
    assert ksymtab.holds(b"in vm_node_stat", symbols, core) is True and ksymtab.holds(b"x", symbols, core) is False
    assert ksymtab.holds(b"x", symbols, tmp_path / "none") is None


def test_symbols_that_were_learnt_are_like_others() -> None:
    symbols = Symbols(KALLSYMS)
    assert not symbols.lists_data
    symbols.learn({"vm_node_stat": NODE_STAT, "_printk": 1})
    assert symbols.address("vm_node_stat") == NODE_STAT and symbols.address("_printk") == PRINTK

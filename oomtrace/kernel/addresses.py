"""The kernel's symbols: addresses to names, for call traces (/proc/kallsyms). The other direction: ``symbols.py``."""

from __future__ import annotations

import mmap
import re
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, islice
from operator import le
from pathlib import Path
from typing import BinaryIO, Optional

from oomtrace.kernel import jited
from oomtrace.kernel.symbols import CLONE, KALLSYMS

# Pages of code made at run time: text to the kernel, and in the list, but not looked up there for a name.
_LISTED_ONLY = frozenset(("__builtin__ftrace", "__builtin__kprobes"))
_LINE = re.compile(rb"^([0-9a-f]+) (.) ([^\t\n]+)(\t[^\n]*)?$", re.MULTILINE)
# BPF's trampolines have a page each, which counts as their size, up to 6.8 (26ef208c209a); later ones are packed.
_TRAMPOLINE, _PAGE_BYTES = b"bpf_trampoline_", mmap.PAGESIZE
# Marks of assemblers, such as arm64's $x and $d: listed for modules, and passed over (is_mapping_symbol,
# include/linux/module_symbol.h).
_MAPPING = (b"$", b".L", b"L0")
_BPF = "bpf"  # listed as a module's, and printed without one (bpf_address_lookup, include/linux/filter.h)
_DATA = b" tainted_mask\n"
# A symbol for the padding before each function (6.2, CONFIG_PREFIX_SYMBOLS): half of all names, which say nothing that
# the next name does not say.
_PADDING = b"__pfx_"
_BLOCK_BYTES = 1 << 18
_NAME_AT = 19  # in a line such as "ffffffff81000000 T _stext"


class Resolver:
    """Names for code addresses, as the kernel's ``%pS`` prints them (kernel/kallsyms.c, __sprint_symbol)."""

    def __init__(self, listed: BinaryIO) -> None:
        """``listed``: as /proc/kallsyms has it. It is read by blocks, since the whole of it is 8 MB."""
        self._core, self._modules, all_modules = _Table(), _Table(), _Table()
        self.lists_data = False
        rest = b""
        while b"\t" not in rest and (block := listed.read(_BLOCK_BYTES)):  # what modules have comes last, with tabs
            rest += block
            whole = rest.rfind(b"\n", 0, rest.find(b"\t") if b"\t" in rest else len(rest)) + 1
            self.lists_data |= _DATA in rest
            self._core.add_all(rest[:whole])
            rest = rest[whole:]
        for line in _LINE.finditer(rest + listed.read()):
            address, name = int(line.group(1), 16), line[0][line.start(3) - line.start() :]
            if line.group(4) is None:
                self._core.add(address, name)
                continue
            if name.startswith(_MAPPING):
                continue
            all_modules.add(address, name)
            if line.group(2) in b"tTwW":
                self._modules.add(address, name)
        for table in (self._core, self._modules, all_modules):
            table.sort()
        self._module_ends = _ends(all_modules)
        self._stext, self._etext = self._core.address(b"_stext"), self._core.address(b"_etext")
        self._core.keep(self._stext, self._etext)  # the rest is data, and what was there at the boot alone
        # 5.18 (d00c6473b1ee): a BPF program's size is that of its code, no more that of the pages that it lies in
        self._bpf_bytes = jited.lengths() if self.has_function("bpf_prog_pack_alloc") else {}

    @classmethod
    def load(cls, path: Path = KALLSYMS) -> Resolver:
        """Of the running kernel. Takes some tenths of a second; keep it. Raises OSError."""
        with path.open("rb", buffering=_BLOCK_BYTES) as file:
            return cls(file)

    def has_function(self, name: str) -> bool:
        """Whether the core kernel has it, under its name or that of the compiler's clone of it."""
        return self._core.matches(re.escape(name.encode()) + CLONE)

    def is_text(self, address: int) -> bool:
        """Whether the kernel would take the word for a return address (kernel/extable.c, __kernel_text_address)."""
        if self._stext <= address < self._etext:
            return True
        return self._module_name(address) is not None

    def _module_name(self, address: int) -> Optional[tuple[int, int, str, str]]:
        found = self._modules.find(address)
        if found is None:
            return None
        start, name, end = found
        symbol, _, module = name.partition(b"\t")
        end = end or self._module_ends.get(module, start)
        limit = self._module_ends.get(module, end)
        if symbol.startswith(_TRAMPOLINE) and start % _PAGE_BYTES == 0:
            limit = min(limit, start + _PAGE_BYTES)
        limit = min(limit, start + self._bpf_bytes.get(start, limit))
        if address >= min(end, limit) and address >= limit:
            return None
        return start, (end if end <= limit else limit) - start, symbol.decode(), module.decode().strip("[]")

    def name(self, address: int) -> Optional[str]:
        """``symbol+0x1/0x2`` or ``symbol+0x1/0x2 [module]`` for the instruction before a return address (``%pB``)."""
        before = address - 1
        if self._stext <= before < self._etext or self._modules.find(before) is None:
            found = self._core.find(before) if before < self._etext else None
            if found is None:
                return None
            start, raw, end = found
            return f"{raw.decode()}+0x{address - start:x}/0x{(end or start) - start:x}"
        module = self._module_name(before)
        if module is None or module[3] in _LISTED_ONLY:
            return None
        start, size, symbol, module_name = module
        said = f"{symbol}+0x{address - start:x}/0x{size:x}"
        return said if module_name == _BPF else f"{said} [{module_name}]"


class _Table:
    """Sorted addresses, and where their names begin in a text of all names; of several names at one address the first
    in kallsyms counts. A quarter of a million names as objects would be 100 MB, and the list itself has 20 characters
    for each beside the name."""

    def __init__(self) -> None:
        self._names = bytearray()
        self._addresses, self._starts = array("Q"), array("I")

    def add(self, address: int, name: bytes) -> None:
        self._addresses.append(address)
        self._starts.append(len(self._names))
        self._names += name + b"\n"

    def add_all(self, text: bytes) -> None:
        """The symbols in whole lines such as "ffffffff81000000 T _stext", none of them a module's.

        There are a quarter of a million, so this is done with what Python has in C.
        """
        lines = text.splitlines(keepends=True)
        names = [line[_NAME_AT:] for line in lines]
        names = [b"\n" if name == _PADDING + after else name for name, after in zip(names, [*names[1:], b""])]
        addresses = array("Q", bytes.fromhex(b"".join([line[:16] for line in lines]).decode()))
        if sys.byteorder == "little":
            addresses.byteswap()
        self._addresses.extend(addresses)
        self._starts.extend(islice(accumulate(map(len, names), initial=len(self._names)), len(names)))
        self._names += b"".join(names)

    def sort(self) -> None:
        """As kallsyms lists them they nearly are, those of all but per-CPU variables and modules."""
        addresses, starts = self._addresses, self._starts
        if all(map(le, addresses, islice(addresses, 1, None))):
            return
        order = sorted(range(len(addresses)), key=addresses.__getitem__)
        self._addresses = array("Q", (addresses[i] for i in order))
        self._starts = array("I", (starts[i] for i in order))

    def keep(self, first: int, last: int) -> None:
        """Nothing but what lies from one address to the other, both included; in order of addresses."""
        begin, end = bisect_left(self._addresses, first), bisect_right(self._addresses, last)
        self._addresses, starts = self._addresses[begin:end], self._starts[begin:end]
        low, high = min(starts, default=0), max(starts, default=-1)
        self._names = self._names[low : self._names.find(b"\n", high) + 1]
        self._starts = array("I", [start - low for start in starts])

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return zip(self._addresses, map(self._name_of, range(len(self._starts))))

    def address(self, name: bytes) -> int:
        """Of the first of that name; 0 if there is none."""
        at = 0 if self._names.startswith(name + b"\n") else self._names.find(b"\n" + name + b"\n") + 1 or -1
        return self._addresses[self._starts.index(at)] if at >= 0 else 0

    def matches(self, pattern: bytes) -> bool:
        """Whether a whole name does."""
        return re.search(rb"^(?:" + pattern + rb")$", self._names, re.MULTILINE) is not None

    def _name_of(self, index: int) -> bytes:
        return self._name(self._starts[index]) or _PADDING + self._name(self._starts[index + 1])

    def _name(self, at: int) -> bytes:
        end = self._names.find(b"\n", at)
        return bytes(self._names[at:] if end < 0 else self._names[at:end])

    def find(self, address: int) -> Optional[tuple[int, bytes, Optional[int]]]:
        """(start, name, start of the next) of the symbol that holds the address."""
        at = bisect_right(self._addresses, address) - 1
        if at < 0:
            return None
        start, after = self._addresses[at], at + 1
        while at > 0 and self._addresses[at - 1] == start:
            at -= 1
        following = self._addresses[after] if after < len(self._addresses) else None
        return start, self._name_of(at), following


def _ends(modules: _Table) -> dict[bytes, int]:
    """An upper bound of each module's text: the page after its last symbol."""
    ends: dict[bytes, int] = {}
    for address, name in modules:
        module = name.partition(b"\t")[2]
        ends[module] = max(ends.get(module, 0), (address | _PAGE_BYTES - 1) + 1)
    return ends

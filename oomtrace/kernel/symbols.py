"""The kernel's symbols: names to addresses for the probes, addresses to names for call traces (/proc/kallsyms)."""

from __future__ import annotations

import mmap
import re
import sys
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from io import BytesIO
from itertools import accumulate, islice
from operator import le
from pathlib import Path
from typing import Any, BinaryIO, Optional

KALLSYMS = Path("/proc/kallsyms")
SYMBOLS = ("_stext", "tainted_mask")
"""Those that are asked for here."""

# What GCC appends to the name of a clone of a function (kernel-side: oom_badness.part.0 on 5.10).
_CLONE = rb"(?:\.(?:constprop|isra|part)\.\d+)*"


# Pages of code made at run time: text to the kernel, and in the list, but not looked up there for a name.
_LISTED_ONLY = frozenset(("__builtin__ftrace", "__builtin__kprobes"))
_LINE = re.compile(rb"^([0-9a-f]+) (.) ([^\t\n]+)(\t[^\n]*)?$", re.MULTILINE)
# BPF's trampolines have a page each, which counts as their size, up to 6.8 (26ef208c209a); later ones are packed.
_TRAMPOLINE, _PAGE_BYTES = b"bpf_trampoline_", mmap.PAGESIZE
_BLOCK_BYTES = 1 << 18
_ADDRESS_LEN, _NAME_AT = 16, 19  # in a line such as "ffffffff81000000 T _stext"
# Marks of assemblers, such as arm64's $x and $d: listed for modules, and passed over (is_mapping_symbol,
# include/linux/module_symbol.h).
_MAPPING = (b"$", b".L", b"L0")
_BPF = "bpf"  # listed as a module's, and printed without one (bpf_address_lookup, include/linux/filter.h)


class Symbols:
    """The symbol table as text. Addresses are zero without CAP_SYSLOG."""

    def __init__(self, text: bytes, only: Optional[frozenset[str]] = None) -> None:
        """``only``: the text is an excerpt, and answers for these names alone."""
        self._text = b"\n" + text
        self._only = only
        self._learnt: dict[str, int] = {}

    @classmethod
    def load(cls, path: Path = KALLSYMS) -> "Symbols":
        """The running kernel's symbols. Raises OSError."""
        whole = cls(b"")
        with path.open("rb", buffering=_BLOCK_BYTES) as file, BytesIO() as text:
            text.write(whole._text)
            while block := file.read(_BLOCK_BYTES):
                text.write(block)
            whole._text = text.getvalue()  # not another copy of it: that would be 10 MB more
        return whole

    @classmethod
    def excerpt(cls, names: Iterable[str], path: Path = KALLSYMS) -> "Symbols":
        """What there is to know of these names in the core kernel, clones of functions and sizes included. The whole
        text takes more memory than all else that a start needs: here it is read by blocks. Raises OSError."""
        only = frozenset(names)
        with path.open("rb", buffering=_BLOCK_BYTES) as file:
            return cls(b"".join(_lines_of({name.encode() for name in only}, _blocks(file))), only)

    def to_plain(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        only = None if self._only is None else sorted(self._only)
        return {"text": self._text[1:].decode("latin-1"), "only": only, "learnt": self._learnt}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Symbols":
        """What ``to_plain`` made."""
        only = plain["only"]
        symbols = cls(plain["text"].encode("latin-1"), None if only is None else frozenset(only))
        symbols.learn(plain["learnt"])
        return symbols

    def learn(self, addresses: Mapping[str, int]) -> None:
        """Symbols that kallsyms does not list."""
        self._learnt.update(addresses)

    @property
    def lists_data(self) -> bool:
        """Whether there is more in the list than functions (CONFIG_KALLSYMS_ALL)."""
        return self.address("tainted_mask") is not None

    def _line_of(self, name: str) -> Optional[int]:
        """Where the line of a core symbol begins in the text."""
        if self._only is not None and name.partition(".")[0] not in self._only:
            raise LookupError(f"{name} is not in this excerpt of the kernel's symbols")
        found = self._text.find(b" " + name.encode() + b"\n")
        return None if found < 0 else self._text.rindex(b"\n", 0, found) + 1

    def address(self, name: str) -> Optional[int]:
        """Address of a symbol of the core kernel; the first if there are several of that name."""
        line = self._line_of(name)
        if line is None:
            return self._learnt.get(name)
        return int(self._text[line : self._text.index(b" ", line)], 16) or None

    def size_bytes(self, name: str) -> Optional[int]:
        """From the symbol to the next symbol that lies higher, as kallsyms itself counts sizes."""
        line, address = self._line_of(name), self.address(name)
        while line is not None and address is not None:
            line = self._text.find(b"\n", line) + 1
            if not line or line >= len(self._text):
                return None
            following = int(self._text[line : self._text.index(b" ", line)], 16)
            if following > address:
                return following - address
        return None

    def function(self, name: str) -> Optional[str]:
        """The name under which a function can be probed: its own, or that of the compiler's clone of it."""
        if self._line_of(name) is not None:
            return name
        clone, at = f" {name}.".encode(), 0
        while True:
            at = self._text.find(clone, at) + 1
            if not at:
                return None
            full = self._text[at : self._text.find(b"\n", at)]
            if self._text[at - 2 : at - 1] in b"tTwW" and re.fullmatch(re.escape(name.encode()) + _CLONE, full):
                return full.decode()

    def base(self) -> Optional[int]:
        """Address of ``_stext``: by how much it differs between boots, all symbols of the core kernel do."""
        return self.address("_stext")

    def resolver(self) -> "Resolver":
        """Names for addresses. Takes some tenths of a second to make; keep it."""
        from oomtrace.kernel import jited  # late: a start needs nothing of it

        # 5.18 (d00c6473b1ee): a BPF program's size is that of its code, no more that of the pages that it lies in
        sized = self.function("bpf_prog_pack_alloc") is not None
        return Resolver(self._text, jited.lengths() if sized else None)


def _blocks(file: BinaryIO) -> Iterator[list[bytes]]:
    """The core kernel's lines: what modules have comes after them, and has a tab."""
    rest = b""
    while block := file.read(_BLOCK_BYTES):
        core = rest + block.partition(b"\t")[0]
        *lines, rest = core.splitlines(keepends=True) if b"\n" in core else [core]
        if rest.endswith(b"\n"):
            lines, rest = [*lines, rest], b""
        yield lines
        if b"\t" in block:
            return


def _lines_of(names: Collection[bytes], blocks: Iterable[list[bytes]]) -> Iterator[bytes]:
    """The lines of these names and of clones of them, and what lies behind each up to the next that lies higher."""
    lower = b""  # the address of one whose size is still open
    for lines in blocks:
        here = [line[_NAME_AT:-1] for line in lines]
        clones = {name for name in here if b"." in name and name.partition(b".")[0] in names}
        wanted = clones.union(names).intersection(here)
        places = [at for at, name in enumerate(here) if name in wanted] if wanted else []
        at = 0
        for place in [*places, len(lines)]:
            while lower and at < place:
                yield lines[at]
                lower = lower if lines[at][:_ADDRESS_LEN] == lower else b""
                at += 1
            if place < len(lines):
                yield lines[place]
                lower, at = lines[place][:_ADDRESS_LEN], place + 1


def base_address(path: Path = KALLSYMS) -> Optional[int]:
    """Address of ``_stext``, None if it is hidden. Reads only as far as needed. Raises OSError."""
    with path.open("rb") as file:
        text = b"\n"
        while True:
            found = re.search(rb"\n([0-9a-f]+) . _stext\n", text)
            if found:
                return int(found.group(1), 16) or None
            more = file.read(1 << 16)
            if not more:
                return None
            text += more


class Resolver:
    """Names for code addresses, as the kernel's ``%pS`` prints them (kernel/kallsyms.c, __sprint_symbol)."""

    def __init__(self, text: bytes, bpf_bytes: Optional[Mapping[int, int]] = None) -> None:
        """``bpf_bytes``: the size of each BPF function, by its address; else each reaches to the next symbol."""
        self._bpf_bytes = bpf_bytes or {}
        core, modules, all_modules = _Table(), _Table(), _Table()
        core_bytes = text.rfind(b"\n", 0, text.find(b"\t")) + 1 if b"\t" in text else len(text)
        core.add_all(text, core_bytes)  # what modules have comes after it
        for line in _LINE.finditer(text, core_bytes):
            address, name = int(line.group(1), 16), line[0][line.start(3) - line.start() :]
            if line.group(4) is None:
                core.add(address, name)
                continue
            if name.startswith(_MAPPING):
                continue
            all_modules.add(address, name)
            if line.group(2) in b"tTwW":
                modules.add(address, name)
        for table in (core, modules, all_modules):
            table.sort()
        self._core, self._modules = core, modules
        self._module_ends = _ends(all_modules)
        self._stext = _address_of(text, b"_stext")
        self._etext = _address_of(text, b"_etext")

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
            found = self._core.find(before)
            if found is None or found[0] < self._stext:
                return None
            start, raw, end = found
            return f"{raw.decode()}+0x{address - start:x}/0x{(end or start) - start:x}"
        module = self._module_name(before)
        if module is None or module[3] in _LISTED_ONLY:
            return None
        start, size, symbol, module_name = module
        said = f"{symbol}+0x{address - start:x}/0x{size:x}"
        return said if module_name == _BPF else f"{said} [{module_name}]"

    def plain(self, address: int) -> Optional[str]:
        """The symbol alone (``%ps``)."""
        found = self.name(address + 1)
        return found.split("+0x")[0] if found else None


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

    def add_all(self, text: bytes, end: int) -> None:
        """The symbols in the text up to there, none of them a module's, in lines such as "ffffffff81000000 T _stext".

        There are a quarter of a million, so this is done by blocks and with what Python has in C.
        """
        at = text.find(b"\n", 0, 1) + 1
        while at < end:
            stop = text.rfind(b"\n", at, min(at + _BLOCK_BYTES, end)) + 1 or end
            lines = text[at:stop].splitlines(keepends=True)
            names = [line[_NAME_AT:] for line in lines]
            self._addresses.frombytes(bytes.fromhex(b"".join([line[:16] for line in lines]).decode()))
            self._starts.extend(islice(accumulate(map(len, names), initial=len(self._names)), len(names)))
            self._names += b"".join(names)
            at = stop
        if sys.byteorder == "little":
            self._addresses.byteswap()

    def sort(self) -> None:
        """As kallsyms lists them they nearly are, those of all but per-CPU variables and modules."""
        addresses, starts = self._addresses, self._starts
        if all(map(le, addresses, islice(addresses, 1, None))):
            return
        order = sorted(range(len(addresses)), key=addresses.__getitem__)
        self._addresses = array("Q", (addresses[i] for i in order))
        self._starts = array("I", (starts[i] for i in order))

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return zip(self._addresses, map(self._name, self._starts))

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
        return start, self._name(self._starts[at]), following


def _address_of(text: bytes, name: bytes) -> int:
    at = text.find(b" " + name + b"\n") + 1
    return int(text[text.rindex(b"\n", 0, at) + 1 : at].split()[0], 16) if at else 0


def _ends(modules: _Table) -> dict[bytes, int]:
    """An upper bound of each module's text: the page after its last symbol."""
    ends: dict[bytes, int] = {}
    for address, name in modules:
        module = name.partition(b"\t")[2]
        ends[module] = max(ends.get(module, 0), (address | _PAGE_BYTES - 1) + 1)
    return ends

"""The kernel's symbols: names to addresses, for the probes (/proc/kallsyms). The other direction: ``addresses.py``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Optional

KALLSYMS = Path("/proc/kallsyms")
SYMBOLS = ("_stext", "tainted_mask")
"""Those that are asked for here."""

# What GCC appends to the name of a clone of a function (kernel-side: oom_badness.part.0 on 5.10).
CLONE = rb"(?:\.(?:constprop|isra|part)\.\d+)*"

_BLOCK_BYTES = 1 << 18
_ADDRESS_LEN, _NAME_AT = 16, 19  # in a line such as "ffffffff81000000 T _stext"


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
            if self._text[at - 2 : at - 1] in b"tTwW" and re.fullmatch(re.escape(name.encode()) + CLONE, full):
                return full.decode()

    def base(self) -> Optional[int]:
        """Address of ``_stext``: by how much it differs between boots, all symbols of the core kernel do."""
        return self.address("_stext")


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

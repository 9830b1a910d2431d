"""Values whose printed text is not the value itself: optional words, yes/no, lists of pieces, names of a known form."""

# ruff: noqa: UP031 - printf is what this room is about

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable, Optional


@dataclass(frozen=True)
class Adapter:
    """Text ↔ value for holes whose text is not the value itself. ``parse`` may raise ValueError: not that line."""

    pattern: str
    parse: Callable[[str], Any] = str
    show: Optional[Callable[[Any], str]] = None  # None: the value is the text
    none: Optional[str] = None  # what is printed for an unknown value; None: the value is needed
    several: bool = False  # a list, of which the beginning is known where the line is cut


_PACKAGE = r"(?!PREEMPT|VOLUNTARY|NONE|[0-9a-f]{40}$)[A-Za-z].*"


def _flag(word: str) -> Adapter:
    """A word that is printed if the value is True."""
    return Adapter("(?:%s)?" % re.escape(word), bool, lambda value: word if value else "", none="")


def _pairs(item: str, text: str) -> Adapter:
    """Counters in a row, each printed with ``text`` (name, value); ``item`` matches one."""
    one = re.compile(item)

    def parse(found: str) -> dict[str, int]:
        values = {name: int(value) for name, value in one.findall(found)}
        if not values:
            raise ValueError(found)
        return values

    plain = re.sub(r"\((?!\?)", "(?:", item)
    return Adapter("(?:%s)+" % plain, parse, lambda values: "".join(text % pair for pair in values.items()),
                   several=True)


_COMM_BYTES = 15  # TASK_COMM_LEN less the final zero
_ESCAPED_BYTE = re.compile(r"\\x[0-9a-f]{2}")


def _parse_comm(text: str) -> str:
    """A name that is too long for one has other words in it, which the log had in front."""
    if len(text) > _COMM_BYTES // 4 and len(_ESCAPED_BYTE.sub("x", text).encode("utf-8", "replace")) > _COMM_BYTES:
        raise ValueError(text)
    return text


_BLOCKS = re.compile(r"(\d+)\*(\d+)kB (?:\((\w+)\) )?")


def _show_blocks(blocks: Sequence[tuple[int, int, str]]) -> str:
    return "".join("%d*%dkB %s" % (n, size, "(%s) " % letters if letters else "") for n, size, letters in blocks)


def _parse_node(text: str) -> Optional[int]:
    return int(text[5:]) if text else None


ADAPTERS: dict[str, Adapter] = {
    # A comm has at most 15 bytes; util-linux's dmesg shows an odd one as \xNN, so four characters each.
    "comm": Adapter(r"(?s:.{0,15}|(?=.*\\x).{0,60})"),
    # At the beginning of a line, where a prefix could be taken for a part of it.
    "comm_first": Adapter(r"(?s:.{0,60})", _parse_comm),
    # Where words follow that could be a part of it, the shortest is meant.
    "comm_short": Adapter(r"(?s:.{0,60}?)"),
    "path": Adapter(r"(?:/.*?|\(error\)|\(name too long\)|<[^>]*>)"),
    "word": Adapter(r"\S+"),
    "release": Adapter(r"\d\S*"),
    "version": Adapter(r"#\S*"),
    "message": Adapter(r"(?:Memory cgroup out of memory|Out of memory(?: \([\w ]+\))?)"),
    "taint": Adapter(r"(?:Not tainted|Tainted: [A-Z\- a-z]+?)"),
    # SUSE's, and Debian's up to 5.10; some vendors put other text behind the version token.
    "package": Adapter(_PACKAGE),
    # Debian's LINUX_PACKAGE_ID from 6.1 on. It begins with a blank, or is empty if others compiled Debian's sources.
    "debian_package": Adapter(rf"(?: {_PACKAGE})?", lambda text: text[1:], lambda name: f" {name}" if name else ""),
    "vz_package": Adapter(r"\d[\d.]*"),
    "preempt": Adapter(r"(?:PREEMPT\S*|VOLUNTARY|NONE|LAZY)"),
    "build_id": Adapter(r"[0-9a-f]{40}"),
    "source": Adapter(r"[A-Z]+"),
    "kdump": _flag("Kdump: loaded "),
    "unreliable": Adapter(r"(?:\? )?", lambda text: not text, lambda reliable: "" if reliable else "? ", none=""),
    # x86 and arm
    "code": Adapter(r"(?:<?[0-9a-f]{2}>? ){63}<?[0-9a-f]{2}>?|(?:[0-9a-f]{8} ){3,7}\([0-9a-f]{8}\)"
                    r"|Bad RIP value\.|Unable to access opcode bytes at (?:RIP )?0x[0-9a-f]+\."),
    "symbol": Adapter(r"[^\s+]+"),
    "module": Adapter(r"[^\s\]]+"),
    "location": Adapter(r"\S+\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[[^\]]+\])?"),
    "taint_flags": Adapter(r"\[.\]=\w+(?:, \[.\]=\w+)*"),
    "raw_words": Adapter(r"(?: [0-9a-f]{16}){1,4}|(?: [0-9a-f]{8}){1,8}"),  # x86-64 and x86-32
    "stack_words": Adapter(r"(?:Stack :| {7,8})(?: ?[0-9a-f]{16}){1,4}|(?:Stack :| {7})(?: [0-9a-f]{8}){1,8}"
                           r"| {7,8}\.\.\."),
    "arm_words": Adapter(r"Exception stack\(0x[0-9a-f]{8,16} to 0x[0-9a-f]{8,16}\)"
                         r"|[0-9a-f]{4}: {1,80}(?:(?:[0-9a-f]{8} ?){1,8}|(?:[0-9a-f]{16} ?){1,4})"
                         r"|(?: r\d{1,2}:[0-9a-f]{8}){1,7}"),
    "ppc_words": Adapter(r"--- interrupt: [0-9a-f]{1,4}(?: at \S+)?| {4}LR = \S+|GPR\d\d:(?: [0-9a-f]{8,16}){1,8} ?"
                         r"|(?:NIP|LR) \[[0-9a-f]{8,16}\] \S+(?: \[\w+\])?"
                         r"|(?:NIP|REGS|MSR|CFAR|DAR|DEAR): {1,2}[0-9a-f]{8,16} .{1,160}"),
    "stat": Adapter(r"[a-z][a-z0-9_]*"),
    "panic": Adapter(r"(?:Out of memory.*|System is deadlocked on memory)"),
    "onoff": Adapter(r"(?:on|off)", lambda text: text == "on", lambda value: "on" if value else "off"),
    "unreliable_ppc": Adapter(r"(?: \(unreliable\))?", lambda text: not text,
                              lambda reliable: "" if reliable else " (unreliable)", none=""),
    "open_s390": Adapter(r"[( ]", lambda text: text == " ", lambda reliable: " " if reliable else "("),
    "close_s390": Adapter(r"[) ]", lambda text: text == " ", lambda reliable: " " if reliable else ")"),
    "yesno": Adapter(r"(?:yes|no)", lambda text: text == "yes", lambda value: "yes" if value else "no"),
    "node": Adapter(r"(?:Node \d+ )?", _parse_node, lambda node: "Node %d " % node, none=""),
    "marker": Adapter(r"</?[A-Z#][A-Z0-9_#]*>"),  # <TASK>, <IRQ>, <#DF>
    "numbers": Adapter(r"(?: -?\d+)+", lambda text: tuple(map(int, text.split())),
                       lambda values: "".join(" %d" % value for value in values)),
    "kb_pairs": _pairs(r" ([^\s:]+):(\d+)KB", " %s:%dKB"),
    "buddy": Adapter(r"(?:\d+\*\d+kB (?:\(\w+\) )?)+",
                     lambda text: tuple((int(n), int(size), kinds) for n, size, kinds in _BLOCKS.findall(text)),
                     _show_blocks),
}

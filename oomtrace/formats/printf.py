"""A kernel printf format that prints and reads: ``%`` one way, the regular expression made from it the other way.

A format is the kernel's own string with two liberties:

- ``{…}`` is a piece that the kernel prints or not (a config option, a word that depends on the state). It is there
  if all its values are known. The kernel's formats of these lines contain no braces.
- Conversions of which Python knows nothing (``%pGg``, ``%*pbl``, ``%pB``) are in ``_TEXT`` and ``_MACROS``.

A hole is filled by a field, named by a path into the model. ``path:adapter`` says that the printed text is not the
value itself but is made from it by one of ``ADAPTERS``: an optional word, yes/no, a list of pieces.
"""

# ruff: noqa: UP031 - printf is what this module is about

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union


@dataclass(frozen=True)
class Adapter:
    """Text ↔ value for holes whose text is not the value itself. ``parse`` may raise ValueError: not that line."""

    pattern: str
    parse: Callable[[str], Any] = str
    show: Optional[Callable[[Any], str]] = None  # None: the value is the text
    none: Optional[str] = None  # what is printed for an unknown value; None: the value is needed


def _flag(word: str) -> Adapter:
    """A word that is printed if the value is True."""
    return Adapter("(?:%s)?" % re.escape(word), bool, lambda value: word if value else "", none="")


def _pairs(item: str, text: str) -> Adapter:
    """Counters in a row, each printed with ``text`` (name, value); ``item`` matches one."""
    one = re.compile(item)

    def parse(found: str) -> Dict[str, int]:
        values = {name: int(value) for name, value in one.findall(found)}
        if not values:
            raise ValueError(found)
        return values

    plain = re.sub(r"\((?!\?)", "(?:", item)
    return Adapter("(?:%s)+" % plain, parse, lambda values: "".join(text % pair for pair in values.items()))


_BLOCKS = re.compile(r"(\d+)\*(\d+)kB (?:\((\w+)\) )?")


def _show_blocks(blocks: Sequence[Tuple[int, int, str]]) -> str:
    return "".join("%d*%dkB %s" % (n, size, "(%s) " % letters if letters else "") for n, size, letters in blocks)


def _parse_node(text: str) -> Optional[int]:
    return int(text[5:]) if text else None


ADAPTERS: Dict[str, Adapter] = {
    # A comm has at most 15 bytes; util-linux's dmesg shows an odd one as \xNN, so four characters each.
    "comm": Adapter(r"(?s:.{0,60})"),
    # Where words follow that could be a part of it, the shortest is meant.
    "comm_short": Adapter(r"(?s:.{0,60}?)"),
    "path": Adapter(r"(?:/.*?|\(error\)|\(name too long\)|<[^>]*>)"),
    "word": Adapter(r"\S+"),
    "release": Adapter(r"\d\S*"),
    "version": Adapter(r"#\S*"),
    "message": Adapter(r"(?:Memory cgroup out of memory|Out of memory(?: \([\w ]+\))?)"),
    "taint": Adapter(r"(?:Not tainted|Tainted: [A-Z\- a-z]+?)"),
    # Debian's LINUX_PACKAGE_ID; some vendors put other text behind the version token.
    "package": Adapter(r"(?!PREEMPT|VOLUNTARY|NONE|[0-9a-f]{40}$)[A-Za-z].*"),
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
    # x86-64, x86-32, MIPS and LoongArch
    "raw_words": Adapter(r"(?: [0-9a-f]{16}){1,4}|(?: [0-9a-f]{8}){1,8}"
                         r"|(?:Stack :| {7,8})(?: ?[0-9a-f]{16}){1,4}| {7,8}\.\.\."),
    "arm_words": Adapter(r"Exception stack\(0x[0-9a-f]{8} to 0x[0-9a-f]{8}\)"
                         r"|[0-9a-f]{4}: {1,80}(?:[0-9a-f]{8} ?){1,8}"),
    "stat": Adapter(r"[a-z][a-z0-9_]*"),
    "panic": Adapter(r"(?:Out of memory.*|System is deadlocked on memory)"),
    "onoff": Adapter(r"(?:on|off)", lambda text: text == "on", lambda value: "on" if value else "off"),
    "unreliable_ppc": Adapter(r"(?: \(unreliable\))?", lambda text: not text,
                              lambda reliable: "" if reliable else " (unreliable)", none=""),
    "yesno": Adapter(r"(?:yes|no)", lambda text: text == "yes", lambda value: "yes" if value else "no"),
    "node": Adapter(r"(?:Node \d+ )?", _parse_node, lambda node: "Node %d " % node, none=""),
    "marker": Adapter(r"</?[A-Z#_a-z0-9]+>"),
    "numbers": Adapter(r"(?: -?\d+)+", lambda text: tuple(map(int, text.split())),
                       lambda values: "".join(" %d" % value for value in values)),
    "kb_pairs": _pairs(r" ([^\s:]+):(\d+)KB", " %s:%dKB"),
    "buddy": Adapter(r"(?:\d+\*\d+kB (?:\(\w+\) )?)+",
                     lambda text: tuple((int(n), int(size), kinds) for n, size, kinds in _BLOCKS.findall(text)),
                     _show_blocks),
}

# Kernel conversions whose value is text for us.
_TEXT = {
    "pGg": r"[A-Za-z_0-9|]*",
    "*pbl": r"(?:[0-9][0-9,\-]*|\(null\)|)",
    "ps": r"\S+",
}
# %pB and %pBb (lib/vsprintf.c, symbol_string; kernel/kallsyms.c, __sprint_symbol).
_MACROS = {
    "%pBb": "%s+%#lx/%#lx{ [%s{ %s}]}",
    "%pB": "%s+%#lx/%#lx{ [%s]}",
    "%pS": "%s+%#lx/%#lx{ [%s]}",
}

_HOLE = re.compile(r"%(?P<flags>[-+ #0]*)(?P<width>\d*)(?P<precision>\.(?:\d+|\*))?(?:hh|h|ll|l)?"
                   r"(?P<conversion>[diuxs]|\*pbl|p(?:Gg|s|hN)?)")
_LABEL = re.compile(r"(?:[,;]? ?)(?:[A-Za-z_][\w().+-]*)(?:[:=?] ?| )$")
_UNIT = re.compile(r"[kK]B")


@dataclass(frozen=True)
class Hole:
    """One conversion: where its value is, its Python conversion, and how its text is read."""

    field: str
    python: str
    pattern: str
    parse: Callable[[str], Any]
    show: Optional[Callable[[Any], str]]
    none: Optional[str]
    width: int


Token = Union[str, Hole, "Group"]


@dataclass(frozen=True)
class Group:
    """An optional piece."""

    tokens: Tuple[Token, ...]


def _strip(text: str) -> str:
    return text.strip()


def _hole(match: "re.Match[str]", spec: str) -> Hole:
    """The hole for one conversion; ``spec`` is ``path`` or ``path:adapter``."""
    field, _, name = spec.partition(":")
    flags, width, conversion = match.group("flags"), int(match.group("width") or 0), match.group("conversion")
    if name:
        adapter = ADAPTERS[name]
        return Hole(field, "%s", adapter.pattern, adapter.parse, adapter.show, adapter.none, 0)
    if conversion in _TEXT:
        return Hole(field, "%s", _TEXT[conversion], str, None, None, 0)
    if conversion == "p":  # up to 4.9: a plain address, zero-padded to the width of a pointer
        return Hole(field, "%016x", r"[0-9a-f]{16}", lambda text: int(text, 16), None, None, 0)
    if conversion == "x":
        pattern = ("0x" if "#" in flags else "") + "[0-9a-f]{%d,16}" % max(1, width)
        python = "%%%s%s" % (flags, width or "") + "x"
        return Hole(field, python, pattern, lambda text: int(text, 16), None, None, 0)
    if conversion == "s":
        python = "%%%s%s%ss" % (flags, width or "", (match.group("precision") or "").replace(".*", ""))
        if width:
            return Hole(field, python, r".*?" if "-" in flags else r" *.*?", _strip, None, None, width)
        return Hole(field, python, r".*", str, None, None, 0)
    pattern = (" *" if width else "") + ("" if conversion == "u" else "-?") + r"\d{1,20}"
    return Hole(field, "%%%s%sd" % (flags, width or ""), pattern, int, None, None, width)


def _holes(tokens: Sequence[Token]) -> List[Hole]:
    """All holes in order, those of groups too."""
    found: List[Hole] = []
    for token in tokens:
        if isinstance(token, Hole):
            found.append(token)
        elif isinstance(token, Group):
            found += _holes(token.tokens)
    return found


def _pattern(tokens: Sequence[Token]) -> str:
    """The regular expression for tokens, a capturing group for each hole."""
    parts = []
    for token in tokens:
        if isinstance(token, str):
            parts.append(re.escape(token))
        elif isinstance(token, Hole):
            parts.append("(%s)" % token.pattern)
        else:
            parts.append("(?:%s)?" % _pattern(token.tokens))
    return "".join(parts)


def _loose_pattern(tokens: Sequence[Token]) -> str:
    """As _pattern, with one blank where the format has some, and perhaps one where it pads a number."""
    source = blank = ""
    for token in tokens:
        if isinstance(token, Hole):
            blank = blank or (" ?" if token.width else "")
            pattern = token.pattern[2:] if token.pattern.startswith(" *") else token.pattern
            source, blank = source + blank + "(%s)" % pattern, ""
        elif isinstance(token, Group):
            source, blank = source + blank + "(?:%s)?" % _loose_pattern(token.tokens), ""
        else:
            for part in re.split("( +)", token):
                if part.startswith(" "):
                    blank = " "
                elif part:
                    source, blank = source + blank + re.escape(part), ""
    return source + (" ?" if blank else "")


def _cut_at(before: Sequence[Token], cut: Token, needle: str) -> List[Tuple[str, str, int]]:
    """Expressions for a line of which ``before`` is there in full, and the beginning of ``cut``."""
    source, count = _pattern(before), len(_holes(before))
    found = []
    if isinstance(cut, str):  # some of it must be there, or the value before it may be cut too
        found.append((needle, source + _beginning(cut, 1), count))
    if isinstance(before[-1], str):
        found.append((needle, source + (".*" if isinstance(cut, Hole) else ""), count))
    elif isinstance(before[-1], Hole):
        found.append((needle, source, count - 1))
    return found


def _beginning(text: str, least: int) -> str:
    """The expression for the first ``least`` or more characters of a literal, but not all of it."""
    rest = text[least:-1]
    return re.escape(text[:least]) + "".join("(?:" + re.escape(char) for char in rest) + ")?" * len(rest)


@lru_cache(maxsize=512)
def _compiled(source: str) -> "re.Pattern[str]":
    return re.compile(source)


_TELLING = 6  # a literal of that many characters tells the line of which it is a part
_VERY_TELLING = 16  # and if nothing else of the line is there


class Format:
    """A format with its fields: ``read`` text into values, ``show`` values as text."""

    def __init__(self, text: str, fields: Sequence[str]) -> None:
        self.text = text
        for macro, expansion in _MACROS.items():
            text = text.replace(macro, expansion)
        rest = list(fields)
        tokens, end = self._tokens(text, 0, rest)
        if rest or end != len(text):
            raise ValueError("fields and holes differ: %r %r" % (self.text, fields))
        self.tokens = tokens
        self.holes: List[Hole] = _holes(tokens)
        self._regex: Optional["re.Pattern[str]"] = None
        self._loose: Optional["re.Pattern[str]"] = None
        telling = [token for token in tokens if isinstance(token, str) and len(token.strip()) >= _TELLING]
        self._told = telling[0][:_VERY_TELLING] if telling else "\0"  # no cut line can do without it
        self._cuts: Optional[List[Tuple[str, str, int]]] = None
        self._shapes: Dict[Tuple[bool, ...], Optional[Tuple[str, Tuple[int, ...]]]] = {}
        self._shows = [hole.show for hole in self.holes]
        self._parses = [hole.parse for hole in self.holes]
        self._adapted = any(hole.show for hole in self.holes)
        literals = [part for part in re.split(r"\x00", self._skeleton()) if part]
        self.literal = max(literals, key=len) if literals else ""  # a cheap test before the regular expression
        self._full = self._python([True] * len(self.holes))
        self.fields = tuple(hole.field for hole in self.holes)

    # Making.

    def _tokens(self, text: str, at: int, fields: List[str]) -> Tuple[Tuple[Token, ...], int]:
        tokens: List[Token] = []
        literal = ""
        while at < len(text) and text[at] != "}":
            match = _HOLE.match(text, at)
            if match:
                if literal:
                    tokens.append(literal)
                    literal = ""
                tokens.append(_hole(match, fields.pop(0)))
                at = match.end()
            elif text[at] == "{":
                if literal:
                    tokens.append(literal)
                    literal = ""
                inner, at = self._tokens(text, at + 1, fields)
                tokens.append(Group(inner))
                at += 1
            else:
                literal += text[at]
                at += 1
        if literal:
            tokens.append(literal)
        return tuple(tokens), at

    def _skeleton(self) -> str:
        return "".join(token if isinstance(token, str) else "\x00" for token in self.tokens)

    # Reading.

    def read(self, text: str) -> Optional[List[Any]]:
        """The values in ``text`` in the order of ``fields``, or None if this format cannot have printed it."""
        if self.literal not in text:
            return None
        if self._regex is None:  # compiled when first needed: most rows never are
            self._regex = re.compile(_pattern(self.tokens))
        match = self._regex.fullmatch(text)
        if match is None:
            return None
        try:
            values = [None if found is None else parse(found) for parse, found in zip(self._parses, match.groups())]
        except ValueError:
            return None
        return values if self.show(values) == text else None

    def read_loose(self, text: str) -> Optional[List[Any]]:
        """The values in a line that lost or gained blanks between its words, as web pages and mail do to columns."""
        if self._loose is None:
            self._loose = re.compile(_loose_pattern(self.tokens))
        match = self._loose.fullmatch(" ".join(text.split()))  # single blanks can be split in one way only
        if match is None:
            return None
        try:
            values = [None if found is None else parse(found) for parse, found in zip(self._parses, match.groups())]
        except ValueError:
            return None
        return values if (self.show(values) or "").split() == text.split() else None

    def read_cut(self, text: str) -> Optional[List[Any]]:
        """The values in the beginning of a line: those that are there in full, None for the others.

        None if ``text`` is no beginning of such a line, or one that says nothing.
        """
        if self._told not in text:
            return None
        if self._cuts is None:
            self._cuts = self._cut_patterns()
        for needle, source, count in self._cuts:
            match = _compiled(source).fullmatch(text) if needle in text else None
            if match is None:
                continue
            try:
                found = [None if part is None else parse(part)
                         for parse, part in zip(self._parses, match.groups()[:count])]
            except ValueError:
                continue
            return found + [None] * (len(self.holes) - len(found))
        return None

    def _cut_patterns(self) -> List[Tuple[str, str, int]]:
        """Expressions for the line cut after each token, the longest first: what it must contain, the source, and the
        number of values that are there in full."""
        patterns: List[Tuple[str, str, int]] = []
        for end in range(len(self.tokens) - 1, 0, -1):
            before, cut = self.tokens[:end], self.tokens[end]
            if not _holes(before):
                continue
            telling = max((token for token in before if isinstance(token, str)), key=len, default="")
            if len(telling.strip()) >= _TELLING:
                patterns += _cut_at(before, cut, telling)
            elif isinstance(cut, str) and len(cut) > _VERY_TELLING:
                sure = cut[:_VERY_TELLING]
                patterns.append((sure, _pattern(before) + _beginning(cut, _VERY_TELLING), len(_holes(before))))
        return patterns

    # Printing.

    def show(self, values: Sequence[Any]) -> Optional[str]:
        """The line. A value that is None is left out with its label; None if nothing sensible is left."""
        if not self._adapted and None not in values:
            return self._full % tuple(values) if values else self._full
        known = tuple(value is not None or hole.none is not None for value, hole in zip(values, self.holes))
        if known not in self._shapes:
            self._shapes[known] = self._shape(known)
        shape = self._shapes[known]
        if shape is None:
            return None
        python, indexes = shape
        shown = []
        for index in indexes:
            value, show = values[index], self._shows[index]
            if value is None:
                value = self.holes[index].none
            elif show is not None:
                value = show(value)
            shown.append(value)
        return python % tuple(shown)

    def _python(self, known: Sequence[bool]) -> str:
        return "".join(part if isinstance(part, str) else part.python for part in self._flat(self.tokens, known))

    def _flat(self, tokens: Tuple[Token, ...], known: Sequence[bool]) -> List[Union[str, Hole]]:
        """Literals (escaped for ``%``) and holes; a group with an unknown value is left out."""
        flat: List[Union[str, Hole]] = []
        for token in tokens:
            if isinstance(token, str):
                flat.append(token.replace("%", "%%"))
            elif isinstance(token, Hole):
                flat.append(token)
            elif all(known[self._index(hole)] for hole in token.tokens if isinstance(hole, Hole)):
                flat.extend(self._flat(token.tokens, known))
        return flat

    def _index(self, hole: Hole) -> int:
        return next(index for index, other in enumerate(self.holes) if other is hole)

    def _shape(self, known: Tuple[bool, ...]) -> Optional[Tuple[str, Tuple[int, ...]]]:
        """Format and indexes of the values to print if only ``known`` ones are there."""
        flat = self._flat(self.tokens, known)
        parts: List[str] = []
        indexes: List[int] = []
        cut_unit = False
        for token in flat:
            if isinstance(token, str):
                parts.append(_UNIT.sub("", token, count=1) if cut_unit and _UNIT.match(token) else token)
                cut_unit = False
            elif known[self._index(token)]:
                parts.append(token.python)
                indexes.append(self._index(token))
            elif token.width:
                parts.append(" " * token.width)
            else:
                label = _LABEL.search(parts[-1]) if parts else None
                if label is None:
                    return None
                parts[-1] = parts[-1][: label.start()]
                cut_unit = True
        if not indexes and self.holes:
            return None
        return "".join(parts), tuple(indexes)


def labels(text: str, holder: str, suffix: str = "") -> Tuple[str, ...]:
    """Field paths for a line of counters, by the kernel's own labels.

    ``free:%lukB`` is ``holder.free_kb``, ``isolated(anon):%lukB`` is ``holder.isolated_anon_kb``, and where no unit
    follows ``suffix`` is appended.
    """
    found = re.findall(r"([A-Za-z_]+)(?:\((\w+)\))?: ?%l?[ud]([kK]B)?", text)
    names = [name.lower() + ("_" + more if more else "") + ("_kb" if unit else suffix) for name, more, unit in found]
    return tuple("%s.%s" % (holder, name) for name in names)


Values = Mapping[str, Any]

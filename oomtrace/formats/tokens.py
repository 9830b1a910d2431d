"""A format taken apart, and the regular expressions made of its parts: for whole lines and for damaged ones."""

# ruff: noqa: UP031 - printf is what this room is about

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

from .adapters import ADAPTERS

# Kernel conversions whose value is text for us.
_TEXT = {
    "pGg": r"[A-Za-z_0-9|]*",
    "*pbl": r"(?:[0-9][0-9,\-]*|\(null\)|)",
    "ps": r"\S+",
}
# %pB and %pBb (lib/vsprintf.c, symbol_string; kernel/kallsyms.c, __sprint_symbol).
MACROS = {
    "%pBb": "%s+%#lx/%#lx{ [%s{ %s}]}",
    "%pB": "%s+%#lx/%#lx{ [%s]}",
    "%pS": "%s+%#lx/%#lx{ [%s]}",
}

# Numbers that have a range of their own: from -1000 to 1000 (include/uapi/linux/oom.h).
_RANGES = {"oom_score_adj": r"-?(?:1000|\d{1,3})"}

_HOLE = re.compile(r"%(?P<flags>[-+ #0]*)(?P<width>\d*)(?P<precision>\.(?:\d+|\*))?(?:hh|h|ll|l)?"
                   r"(?P<conversion>[diuxs]|\*pbl|p(?:Gg|s|hN)?)")


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
    several: bool = False


Token = Union[str, Hole, "OptionalPiece"]


@dataclass(frozen=True)
class OptionalPiece:
    """An optional piece."""

    tokens: tuple[Token, ...]


def _strip(text: str) -> str:
    return text.strip()


def _hole(match: "re.Match[str]", spec: str) -> Hole:
    """The hole for one conversion; ``spec`` is ``path`` or ``path:adapter``."""
    field, _, name = spec.partition(":")
    flags, width, conversion = match.group("flags"), int(match.group("width") or 0), match.group("conversion")
    if name:
        adapter = ADAPTERS[name]
        return Hole(field, "%s", adapter.pattern, adapter.parse, adapter.show, adapter.none, 0, adapter.several)
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
    number = _RANGES.get(field.rpartition(".")[2], ("" if conversion == "u" else "-?") + r"\d{1,20}")
    pattern = (" *" if width else "") + number
    return Hole(field, "%%%s%sd" % (flags, width or ""), pattern, int, None, None, width)


def holes_of(tokens: Sequence[Token]) -> list[Hole]:
    """All holes in order, those of groups too."""
    found: list[Hole] = []
    for token in tokens:
        if isinstance(token, Hole):
            found.append(token)
        elif isinstance(token, OptionalPiece):
            found += holes_of(token.tokens)
    return found


def pattern_of(tokens: Sequence[Token]) -> str:
    """The regular expression for tokens, a capturing group for each hole."""
    parts = []
    for token in tokens:
        if isinstance(token, str):
            parts.append(re.escape(token))
        elif isinstance(token, Hole):
            parts.append("(%s)" % token.pattern)
        else:
            parts.append("(?:%s)?" % pattern_of(token.tokens))
    return "".join(parts)


def tokens_of(text: str, fields: Sequence[str]) -> tuple[Token, ...]:
    """The parts of a format; its holes are filled by ``fields``."""
    for macro, expansion in MACROS.items():
        text = text.replace(macro, expansion)
    rest = list(fields)
    tokens, end = _tokens(text, 0, rest)
    if rest or end != len(text):
        raise ValueError(f"fields and holes differ: {text!r} {fields!r}")
    return tokens


def _tokens(text: str, at: int, fields: list[str]) -> tuple[tuple[Token, ...], int]:
    tokens: list[Token] = []
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
            inner, at = _tokens(text, at + 1, fields)
            tokens.append(OptionalPiece(inner))
            at += 1
        else:
            literal += text[at]
            at += 1
    if literal:
        tokens.append(literal)
    return tuple(tokens), at


def loose_pattern(tokens: Sequence[Token]) -> str:
    """As pattern_of, with one blank where the format has some, and perhaps one where it pads a number."""
    source = blank = ""
    for token in tokens:
        if isinstance(token, Hole):
            blank = blank or (" ?" if token.width else "")
            pattern = token.pattern[2:] if token.pattern.startswith(" *") else token.pattern
            source, blank = source + blank + "(%s)" % pattern, ""
        elif isinstance(token, OptionalPiece):
            source, blank = source + blank + "(?:%s)?" % loose_pattern(token.tokens), ""
        else:
            for part in re.split("( +)", token):
                if part.startswith(" "):
                    blank = " "
                elif part:
                    source, blank = source + blank + re.escape(part), ""
    return source + (" ?" if blank else "")


def _cut_at(before: Sequence[Token], cut: Token, needle: str) -> list[tuple[str, str, int]]:
    """Expressions for a line of which ``before`` is there in full, and the beginning of ``cut``."""
    source, count = pattern_of(before), len(holes_of(before))
    found = []
    if isinstance(cut, str):  # some of it must be there, or the value before it may be cut too
        found.append((needle, source + _beginning(cut, 1), count))
    if isinstance(cut, Hole) and cut.several:
        found.append((needle, source + "(%s).*" % cut.pattern, count + 1))
    if isinstance(before[-1], str):
        found.append((needle, source + (".*" if isinstance(cut, Hole) else ""), count))
    elif isinstance(before[-1], Hole):
        found.append((needle, source, count - 1))
    return found


def _beginning(text: str, least: int) -> str:
    """The expression for the first ``least`` or more characters of a literal, but not all of it."""
    rest = text[least:-1]
    return re.escape(text[:least]) + "".join("(?:" + re.escape(char) for char in rest) + ")?" * len(rest)


_TELLING = 6  # a literal of that many characters tells the line of which it is a part
_VERY_TELLING = 16  # and if nothing else of the line is there


def told_by(tokens: Sequence[Token]) -> str:
    """What no beginning of the line can do without, if it says anything."""
    telling = [token for token in tokens if isinstance(token, str) and len(token.strip()) >= _TELLING]
    return telling[0][:_VERY_TELLING] if telling else "\0"


def row_patterns(tokens: Sequence[Token]) -> list[tuple[str, str, int]]:
    """The same for a line that is certainly of a table: whatever is there of it tells."""
    return [found for end in range(len(tokens) - 1, 0, -1) if holes_of(tokens[:end])
            for found in _cut_at(tokens[:end], tokens[end], "")]


def cut_patterns(tokens: Sequence[Token]) -> list[tuple[str, str, int]]:
    """Expressions for the line cut after each token, the longest first.

    With each, what the line must contain, and the number of values that are there in full.
    """
    patterns: list[tuple[str, str, int]] = []
    for end in range(len(tokens) - 1, 0, -1):
        before, cut = tokens[:end], tokens[end]
        if not holes_of(before):
            continue
        telling = max((token for token in before if isinstance(token, str)), key=len, default="")
        if len(telling.strip()) >= _TELLING:
            patterns += _cut_at(before, cut, telling)
        elif isinstance(cut, str) and len(cut) > _VERY_TELLING:
            sure = cut[:_VERY_TELLING]
            patterns.append((sure, pattern_of(before) + _beginning(cut, _VERY_TELLING), len(holes_of(before))))
    return patterns

"""A kernel printf format that prints and reads: ``%`` one way, the regular expression made from it the other way.

A format is the kernel's own string with two liberties:

- ``{…}`` is a piece that the kernel prints or not (a config option, a word that depends on the state). It is there
  if all its values are known. The kernel's formats of these lines contain no braces.
- Conversions of which Python knows nothing (``%pGg``, ``%*pbl``, ``%pB``) are in tokens.py.

A hole is filled by a field, named by a path into the model. ``path:adapter`` says that the printed text is not the
value itself but is made from it by one of adapters.ADAPTERS: an optional word, yes/no, a list of pieces.
"""

# ruff: noqa: UP031 - printf is what this room is about

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Optional, Union

from .tokens import Hole, Token, cut_patterns, holes_of, loose_pattern, pattern_of, row_patterns, tokens_of, told_by

_LABEL = re.compile(r"(?:[,;]? ?)(?:[A-Za-z_][\w().+-]*)(?:[:=?] ?| )$")
_UNIT = re.compile(r"[kK]B")


@lru_cache(maxsize=512)
def _compiled(source: str) -> "re.Pattern[str]":
    return re.compile(source)


class Format:
    """A format with its fields: ``read`` text into values, ``show`` values as text."""

    def __init__(self, text: str, fields: Sequence[str]) -> None:
        self.text = text
        self.tokens = tokens = tokens_of(text, fields)
        self.holes: list[Hole] = holes_of(tokens)
        self._regex: Optional["re.Pattern[str]"] = None
        self._loose: Optional["re.Pattern[str]"] = None
        self.telling = told_by(tokens)
        self._cuts: Optional[list[tuple[str, str, int]]] = None
        self._shapes: dict[tuple[bool, ...], Optional[tuple[str, tuple[int, ...]]]] = {}
        self._shows = [hole.show for hole in self.holes]
        self._parses = [hole.parse for hole in self.holes]
        self._adapted = any(hole.show for hole in self.holes)
        literals = [part for part in re.split(r"\x00", self._skeleton()) if part]
        self.literal = max(literals, key=len) if literals else ""  # a cheap test before the regular expression
        self._full = self._python([True] * len(self.holes))
        self.fields = tuple(hole.field for hole in self.holes)

    @property
    def plain(self) -> str:
        """The format for ``%``, of all values, where none of them is printed in words of ours."""
        return self._full

    def _skeleton(self) -> str:
        return "".join(token if isinstance(token, str) else "\x00" for token in self.tokens)

    # Reading.

    def read(self, text: str) -> Optional[list[Any]]:
        """The values in ``text`` in the order of ``fields``, or None if this format cannot have printed it."""
        if self.literal not in text:
            return None
        if self._regex is None:  # compiled when first needed: most rows never are
            self._regex = re.compile(pattern_of(self.tokens))
        match = self._regex.fullmatch(text)
        values = self._parsed(match) if match is not None else None
        return values if values is not None and self.show(values) == text else None

    def _parsed(self, match: "re.Match[str]") -> Optional[list[Any]]:
        """The values of the holes; None if one is none of its kind."""
        try:
            return [None if found is None else parse(found) for parse, found in zip(self._parses, match.groups())]
        except ValueError:
            return None

    def read_loose(self, text: str) -> Optional[list[Any]]:
        """The values in a line that lost or gained blanks between its words, as web pages and mail do to columns."""
        if self._loose is None:
            self._loose = re.compile(loose_pattern(self.tokens))
        match = self._loose.fullmatch(" ".join(text.split()))  # single blanks can be split in one way only
        values = self._parsed(match) if match is not None else None
        return values if values is not None and (self.show(values) or "").split() == text.split() else None

    def read_cut(self, text: str) -> Optional[list[Any]]:
        """The values in the beginning of a line: those that are there in full, None for the others.

        None if ``text`` is no beginning of such a line, or one that says nothing.
        """
        if self.telling not in text:
            return None
        if self._cuts is None:
            self._cuts = cut_patterns(self.tokens)
        return self._cut(text, self._cuts)

    def read_cut_row(self, text: str) -> Optional[list[Any]]:
        """The same for what is certainly the beginning of a row of a table."""
        return self._cut(text, row_patterns(self.tokens))

    def _cut(self, text: str, patterns: Sequence[tuple[str, str, int]]) -> Optional[list[Any]]:
        for needle, source, count in patterns:
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

    def _flat(self, tokens: tuple[Token, ...], known: Sequence[bool]) -> list[Union[str, Hole]]:
        """Literals (escaped for ``%``) and holes; a group with an unknown value is left out."""
        flat: list[Union[str, Hole]] = []
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

    def _shape(self, known: tuple[bool, ...]) -> Optional[tuple[str, tuple[int, ...]]]:
        """Format and indexes of the values to print if only ``known`` ones are there."""
        flat = self._flat(self.tokens, known)
        parts: list[str] = []
        indexes: list[int] = []
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


def labels(text: str, holder: str, suffix: str = "") -> tuple[str, ...]:
    """Field paths for a line of counters, by the kernel's own labels.

    ``free:%lukB`` is ``holder.free_kb``, ``isolated(anon):%lukB`` is ``holder.isolated_anon_kb``, and where no unit
    follows ``suffix`` is appended.
    """
    found = re.findall(r"([A-Za-z_]+)(?:\((\w+)\))?: ?%l?[ud]([kK]B)?", text)
    names = [name.lower() + ("_" + more if more else "") + ("_kb" if unit else suffix) for name, more, unit in found]
    return tuple("%s.%s" % (holder, name) for name in names)

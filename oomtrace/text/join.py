"""Log lines → the kernel's lines: records with newlines taken apart, wrapped lines put together again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Optional

from .match import cut, cut_title, is_read, readings
from .others import is_elision
from .prefix import QUOTES, Stripped, strip
from .strange import Strange
from .tail import Tail
from .wrap import Piece, Wrapping, paragraph

_MARK = 80  # characters that a mark for left out lines has at most
_MIPS_WORDS = re.compile(r" {7,8}\.\.\.$")  # the end of the raw stack words on MIPS
_HELD = 128  # lines without prefix that may follow one with a prefix: a record with that many newlines
# 4.9 to 4.11 print what continues a line (KERN_CONT) as lines of their own, each with its time: words of the lists of
# reserves and of free blocks (563873318, 4bcc595ccd80). What they continue, and what they are:
_CONTINUED = re.compile(r"(?:lowmem_reserve\[\]:|(?:Node \d+ )?(?:DMA|DMA32|Normal|HighMem|Movable): ?)$")
_CONTINUATION = re.compile(r" ?(?:\d+|\d+\*\d+kB|\([A-Z]+\)|= \d+kB) ?")
_ESCAPED = re.compile(r"#012|\\x0a")
# The first line of a report, or of a kernel up to 4.19 the second: before a name anything may stand.
_NAME_FIRST = re.compile(r" invoked oom-killer: | cpuset=\S* mems_allowed=")
_DOUBTFUL = 3  # of those and the next, of which one shows where names begin


class Logical(NamedTuple):
    """A line as the kernel printed it."""

    number: int  # of its first piece
    text: str
    stripped: Stripped  # its first piece
    bare: bool = False  # without prefix of its own
    elided: bool = False  # no line, but a mark that lines were left out
    cut: bool = False  # at the width of a terminal, as a mark of the pager says
    at: int = 0  # its place among the lines that are read, in the order in which they were written


class _Piece(NamedTuple):
    number: int
    stripped: Stripped
    bare: bool


class Joiner:
    """Takes the lines of a log, and gives the kernel's lines as soon as they are certainly complete."""

    def __init__(self) -> None:
        self._held: list[_Piece] = []
        self._marked: Optional[Stripped] = None  # the last line with a prefix
        self._indent = 0  # of lines without prefix
        self._shift = 0  # of lines behind their prefix
        self._quoted = False  # was the last line that was not blank?
        self._paged_at: set[int] = set()  # widths at which a pager cut lines
        self._wrapping = Wrapping()
        self._strange: Optional[Strange] = None
        self._odd = Strange()
        self._doubtful: list[tuple[int, str]] = []  # lines that begin with a name, or with more than that
        self._tail = Tail()

    def add(self, number: int, line: str) -> list[Logical]:
        """The kernel's lines that are complete with this line of text."""
        line = self._tail.off(line)
        if self._doubtful or (_NAME_FIRST.search(line) is not None and strip(line).time_ns is None):
            self._doubtful.append((number, line))
            shown = _NAME_FIRST.search(line) is None or len(self._doubtful) == _DOUBTFUL
            return self._believed() if shown else []
        return self._split(number, line)

    def _believed(self) -> list[Logical]:
        """Those that begin with a name, as the line after them shows where names begin."""
        lines, self._doubtful = self._doubtful, []
        for _, line in lines:
            self._odd.learn(line)
        return [logical for number, line in lines for logical in self._split(number, line)]

    def plain(self, raw: str) -> Optional[Stripped]:
        """The last line, if it is just as the log has it (``raw``) and behind a prefix: nothing was undone."""
        held = self._held[0] if len(self._held) == 1 else None
        plain = held is not None and not held.bare and held.stripped.prefix + held.stripped.text == raw
        return held.stripped if held is not None and plain else None

    def flush(self) -> list[Logical]:
        """What is held back, in case that more of it comes: nothing did."""
        return self._believed() + self._flushed()

    def _flushed(self) -> list[Logical]:
        held, self._held = self._held, []
        return self._resolved(held)

    def _split(self, number: int, line: str) -> list[Logical]:
        stripped = strip(line)
        if "\xa0" in line and _RUN.search(line) and not is_read(stripped.text):  # mail programs make them of blanks
            line = line.replace("\xa0", " ")
            stripped = strip(line)
        if stripped.time_ns is None:  # in front of which stands what is known
            stripped = self._stripped(line, stripped)
        special = self._special(number, line, stripped)
        return special if special is not None else self._plain(number, line, stripped)

    def _stripped(self, line: str, stripped: Stripped) -> Stripped:
        """The line without its prefix, if that is one of which the usual forms know but a part."""
        return self._odd.instead(line, stripped) or stripped

    def _special(self, number: int, line: str, stripped: Stripped) -> Optional[list[Logical]]:
        """A mark of somebody who left lines out, or of a pager that cut the line; records in which newlines are
        escaped."""
        text = stripped.text
        if len(line) < _MARK and self._is_mark(line, text):
            return self._flushed() + [Logical(number, text, stripped, True, elided=True)]
        if text:
            self._quoted = ">" in stripped.prefix
        if text.endswith((">", "\u2026")) or "\u2026" in text:
            shown = self._paged(line, text)
            if shown is not None:
                self._marked = stripped
                return self._flushed() + [Logical(number, shown, stripped, cut=True)]
        if ("#012" in text or "\\x0a" in text) and not is_read(text):
            found: list[Logical] = []
            rest = self._rest_of_record(stripped)
            for at, part in enumerate(_ESCAPED.split(text)):
                found += self._take(_Piece(number, (rest or stripped)._replace(text=part), rest is not None and not at))
            return found
        if "\n" in text:  # a /dev/kmsg record
            found = []
            for part in text.split("\n"):
                found += self._take(_Piece(number, stripped._replace(text=part), False))
            return found
        return None

    def _plain(self, number: int, line: str, stripped: Stripped) -> list[Logical]:
        if stripped.prefix.endswith("kernel: ") and self._dated() and not _DIGIT.search(stripped.prefix):
            # The end of a prefix that was wrapped itself.
            return self._take(_Piece(number, stripped._replace(text=line), True))
        bare = not stripped.prefix.strip(QUOTES) and stripped.time_ns is None
        if not bare:
            stripped = self._unshifted(stripped)
        if not bare:
            self._strange = None
        elif self._strange is not None or not self._dated():
            self._strange = self._strange or Strange()
            strange = self._strange.strip(line)
            return self._take(_Piece(number, strange or stripped, strange is None))
        return self._take(_Piece(number, stripped, bare))

    def _is_mark(self, line: str, text: str) -> bool:
        """Does the line say that others were left out? Not a blank one of a text that is quoted."""
        if not text:
            return ">" in line and not line.strip(QUOTES) and not self._quoted
        return is_elision(text) and not _MIPS_WORDS.match(text)

    def _paged(self, line: str, text: str) -> Optional[str]:
        """What is there of a line that a pager cut at the width of a terminal, and marked so. None: it is none."""
        at = text.find("\u2026") if "\u2026" in text else len(text) - 1
        shown = text[:at]
        if len(line) not in self._paged_at and (is_read(text) or (cut(shown) is None and cut_title(shown) is None)):
            return None
        self._paged_at.add(len(line))
        return shown

    def _unshifted(self, stripped: Stripped) -> Stripped:
        """A line less the blanks that the log put between the prefix and the kernel's words."""
        text = stripped.text
        if not text.startswith(" ") or is_read(text):
            self._shift = 0 if text and not text.startswith(" ") else self._shift
            return stripped
        bare = text.lstrip(" ")
        for guess in (" " + bare, bare):
            if is_read(guess):
                self._shift = len(text) - len(guess)
                return stripped._replace(text=guess)
        return stripped._replace(text=text[self._shift:]) if not text[:self._shift].strip() else stripped

    def _dated(self) -> bool:
        return self._marked is not None and _DIGIT.search(self._marked.prefix) is not None

    def _continues(self, piece: _Piece) -> bool:
        """Is it a word of a list whose words stand on lines of their own?"""
        return (bool(self._held) and _CONTINUED.match(self._held[0].stripped.text) is not None
                and _CONTINUATION.fullmatch(piece.stripped.text) is not None)

    def _take(self, piece: _Piece) -> list[Logical]:
        if not piece.bare:
            self._marked = piece.stripped
            if self._continues(piece):
                self._held.append(piece._replace(bare=True))
                return []
        if piece.bare and len(self._held) == 1 and not self._held[0].bare and not self._held[0].stripped.text.strip():
            # Not even the first word had room behind the prefix.
            piece = _Piece(self._held[0].number, self._held[0].stripped._replace(text=piece.stripped.text), False)
            self._held = []
        starts = not piece.bare or (is_read(self._dedented(piece.stripped.text)) if self._marked is None
                                    else self._marked.whole and not self._goes_on(piece))
        if not starts and len(self._held) < _HELD:
            self._held.append(piece)
            return []
        held, self._held = self._held, [piece]
        return self._resolved(held)

    def _rest_of_record(self, stripped: Stripped) -> Optional[Stripped]:
        """The record of /dev/kmsg of which a line without prefix is more."""
        bare = not stripped.prefix.strip(QUOTES) and stripped.time_ns is None
        return self._marked if bare and self._marked is not None and self._marked.whole else None

    def _goes_on(self, piece: _Piece) -> bool:
        """Is it the rest of a record of /dev/kmsg, as a mail program breaks it: behind a blank (format=flowed)?"""
        return bool(self._held) and self._held[-1].stripped.text.endswith(" ") and bool(piece.stripped.text.strip())

    # The pieces between one beginning and the next.

    def _resolved(self, held: Sequence[_Piece]) -> list[Logical]:
        if not held:
            return []
        if len(held) == 1:
            text = self._text(held[0])
            self._wrapping.note(text)
            return [Logical(held[0].number, text, held[0].stripped, held[0].bare)]
        flowed = self._flowed(held)
        if flowed is not None:
            return flowed
        pieces = []
        for piece in held:
            text = self._text(piece)
            pieces.append(Piece(text, len(piece.stripped.prefix) + len(piece.stripped.text), is_read(text)))
        found: list[Logical] = []
        at = 0
        for text, count in self._wrapping.join(pieces):
            found.append(Logical(held[at].number, text, held[at].stripped, held[at].bare))
            at += count
        return found

    def _text(self, piece: _Piece) -> str:
        return self._dedented(piece.stripped.text) if piece.bare else piece.stripped.text

    def _dedented(self, text: str) -> str:
        """A line without prefix, less the blanks that stand for one."""
        if not text.startswith((" ", "\t")):
            return text
        width = len(self._marked.prefix) if self._marked is not None else self._indent
        if width and not text[:width].strip():
            return _flush_left(text[width:])
        if is_read(text) and not (self._marked is None and _begins_with_name(text)):
            return text
        bare = text.lstrip(" \t")
        if _STATISTIC.fullmatch(bare):
            return bare
        for guess in (bare, " " + bare):
            if is_read(guess):
                if self._marked is None:
                    self._indent = len(text) - len(guess)
                return guess
        return text

    def _flowed(self, held: Sequence[_Piece]) -> Optional[list[Logical]]:
        """Text that a mail program wrapped as one paragraph: prefixes stand in the middle of lines."""
        first = held[0]
        if first.bare or len(first.stripped.prefix.lstrip(QUOTES)) < 12:
            return None
        shape = re.sub(r"(?:\\ )+", " +", re.sub(r"\d+", r"\\d+", re.escape(first.stripped.prefix.strip(QUOTES))))
        text = paragraph([first.stripped.prefix.lstrip(QUOTES) + first.stripped.text]
                         + [piece.stripped.text for piece in held[1:]])
        parts = re.split(shape + " ?", text)
        if len(parts) < 3 or parts[0].strip():
            return None
        return [Logical(first.number, part.rstrip(), first.stripped) for part in parts[1:]]


def _flush_left(text: str) -> str:
    """A line of a record with newlines, less the blanks by which its indentation is wider than the prefix.

    The kernel's own are in front of counters, frames and raw words; statistics have none.
    """
    bare = text.lstrip(" \t")
    if bare == text or is_read(text):
        return text
    if _STATISTIC.fullmatch(bare):
        return bare
    return next((guess for guess in (" " + bare, bare) if is_read(guess)), text)


_STATISTIC = re.compile(r"[a-z][a-z0-9_]* \d+")
_RUN = re.compile("\xa0[ \xa0]| \xa0")
_DIGIT = re.compile(r"\d")


def _begins_with_name(text: str) -> bool:
    """Do only rows read it that begin with a name? Then the blanks before that are indentation."""
    return not any(reading.row.format.text.startswith((" ", "{")) for reading in readings(text))

"""Logs that wrap each line in a structure: JSON of any shape, journald's forms, key="value" pairs.

Of JSON the shape is not known beforehand: the strings in which the kernel's lines stand are found, and where they
stand (the path to them) is remembered, so that lines that no row reads are found there too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Optional

from .lines import LOOK_BACK, MAX_LINE
from .match import is_read
from .prefix import KERNEL_TAGS, strip

Record = list[str]  # the lines of one record
Path = tuple[str, ...]

# Where logs have their text, the likeliest first.
_KEYS = ("MESSAGE", "message", "@message", "msg", "log", "text", "line", "content", "body", "textPayload",
         "short_message", "_raw")
_BRACKETS = frozenset(["{", "}", "},", "[", "]", "],", "[{", "}]", "},{", "}, {", "]}", "}],"])
_START = re.compile(r'[\[{]\s*(?:"|\'|[\[{]\s*["\'\[{])')  # of a document
_BEFORE = 200  # characters that may stand before it
# One member or one element of a document that is printed on many lines.
_ALONE = re.compile(r"""\s*(?:-\ )?(?:"(?P<key>[^"\\]{1,80})"\s*:\s*|(?P<bare>[\w.@-]{1,80})\s*:\s+)?
                        [bur]?(?:"(?P<text>(?:[^"\\]|\\.)*)"
                        |'(?P<single>(?:[^'\\]|\\.|'')*)')\s*[,\]}]*\s*$""", re.VERBOSE)
_MEMBER = re.compile(r'\s*"[^"\\]{1,80}"\s*:')
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?' r"|(?<![\w\\])'((?:[^'\\]|\\.)*)'(\s*:)?")
_PAIR = re.compile(r'(?<![\w"])(?:msg|message|log|line|MESSAGE|text)="((?:[^"\\]|\\.)*)"')
_LOGFMT = re.compile(r'(?:^|\s)\w+=\S+ .*(?:msg|message|log|line|MESSAGE|text)="')
_ENTRY = re.compile(r"\w+ \d{4}-\d\d-\d\d [^\[]* \[s=[0-9a-f]+;i=")  # journalctl -o verbose
_FIELD = re.compile(r"\s*(?:_{0,2}[A-Z][A-Z0-9_]*)=")
_EXPORT = re.compile(r"\s*MESSAGE=")
_BINARY = "MESSAGE"  # alone on its line: the length in eight bytes and the text follow, because of newlines in it
_LENGTH = 8
_MOST = 1 << 16  # bytes of a message
_BEHIND = 40  # characters behind a document that show whether it is one alone
_LOGFMT_LENGTH = 8192
_DEPTH = 24  # of what stands within one another
_TELLING = ("invoked oom-killer", "Killed process ", "Kill process ", "oom-kill:constraint", "oom_reaper: ")
_ENDS = re.compile("\r\n|\n|\r")


class _Found(NamedTuple):
    """A string of a document, and the keys that lead to it."""

    path: Path
    text: str


class Structure:
    """Takes lines out of their structure."""

    def __init__(self) -> None:
        self._left = 0  # bytes of a binary field that are still to come
        self._binary = False  # such a field begins with the next line
        self._cut: Optional[str] = None  # the last key of a document on one line, of which more pieces come
        self._paths: set[Path] = set()  # to strings in which lines of the kernel were
        self._indent: Optional[int] = None  # of the lines of a field with newlines (journalctl -o verbose)

    @property
    def within(self) -> bool:
        """Is the next line a part of a field with newlines? Then each of its bytes counts."""
        return self._binary or self._left > 0

    def unwrap(self, line: str) -> Optional[list[Record]]:
        """The records in a structured line: none if it is a part without text. None: it is no such line."""
        if self.within:
            return self._from_binary(line)
        if "{" in line or '"' in line or "[" in line or "'" in line:
            found = self._document(line) if self._cut is None else self._more(line)
            if found is None and ('"' in line or "'" in line):
                found = self._part(line)
            if found is not None:
                return found
        alone = line.strip()
        if alone in _BRACKETS or alone == _BINARY:
            self._binary = alone == _BINARY
            return []
        return self._journal(line)

    def _journal(self, line: str) -> Optional[list[Record]]:
        if _ENTRY.match(line):
            self._indent = None
            return []
        if "=" in line[:40] and _FIELD.match(line):
            export = _EXPORT.match(line)
            self._indent = export.end() if export is not None and line[:1] == " " else None
            return [] if export is None else [[line[export.end():]]]
        if self._indent is not None:
            if not line[:4].strip():  # a further line of the message
                return [[line.strip()]] if line[: self._indent].strip() else [[line[self._indent:]]]
            self._indent = None
        return None

    def _from_binary(self, line: str) -> Optional[list[Record]]:
        """A line of a field of which the length is given, not the end."""
        raw = line.encode("utf-8", "surrogateescape")
        if self._binary:
            self._binary = False
            self._left = int.from_bytes(raw[:_LENGTH], "little") if len(raw) >= _LENGTH else 0
            raw = raw[_LENGTH:]
            if not 0 < self._left <= _MOST:
                self._left = 0
                return None
        self._left -= len(raw) + 1
        return [[raw.decode("utf-8", "surrogateescape")]]

    # JSON and what looks like it.

    def _document(self, line: str) -> Optional[list[Record]]:
        """The records of a document that stands on one line, with whatever before it."""
        begun = _START.search(line, 0, _BEFORE)
        if begun is None:
            return None
        try:
            value, end = _DECODER.raw_decode(line, begun.start())
        except (ValueError, RecursionError):
            value, end = None, 0
        if not isinstance(value, (dict, list)) or line[end: end + _BEHIND].strip(" \t,;)]}"):  # a part of one
            found = list(_tokens(line))
            self._note_cut(line, found)
            return self._chosen(found) if found else None
        return self._chosen(list(_strings(value, (), _DEPTH)))

    def _note_cut(self, line: str, found: list[_Found]) -> None:
        """Lines are cut where they are too long: is this one, so that the next line is more of it?"""
        self._cut = found[-1].path[-1] if found and len(line) > MAX_LINE - LOOK_BACK else None

    def _more(self, line: str) -> Optional[list[Record]]:
        """The records in a further piece of a document."""
        found = list(_tokens(line, self._cut or ""))
        self._note_cut(line, found)
        return self._chosen(found) if found else None

    def _part(self, line: str) -> Optional[list[Record]]:
        """The records of a part of a document that stands on many lines, or of key="value" pairs."""
        alone = _ALONE.match(line)
        if alone is not None:
            text = alone.group("text")
            text = _decoded(text) if text is not None else alone.group("single").replace("''", "'")
            key = alone.group("key") or alone.group("bare") or ""
            return self._chosen([_Found((key,), text)])
        if "=" in line and len(line) < _LOGFMT_LENGTH and _LOGFMT.search(line):
            pair = _PAIR.search(line)
            if pair is not None:
                return self._chosen([_Found(("msg",), _decoded(pair.group(1)))])
        return [] if _MEMBER.match(line) else None

    def _chosen(self, found: list[_Found]) -> list[Record]:
        """Those strings that are text of a log."""
        for one in found:
            if one.path not in self._paths and tells(one.text):
                self._paths.add(one.path)
        kept = [one for one in found if one.path in self._paths]
        if not kept:
            for key in _KEYS:
                kept = [one for one in found if one.path and one.path[-1] == key]
                if kept:
                    break
        texts = [one.text for one, before in zip(kept, [_Found((), ""), *kept])
                 if one.text != before.text or one.path == before.path]  # not the same under two keys of a record
        return [_ENDS.split(text.rstrip("\r\n")) for text in texts if not text.isdigit()]


def _decoded(text: str) -> str:
    """A string of JSON, without its quotes; damaged escapes as they are."""
    if "\\" not in text:
        return text
    try:
        return str(json.loads('"' + text + '"', strict=False))
    except ValueError:
        return text.replace('\\"', '"').replace("\\'", "'").replace("\\n", "\n").replace("\\t", "\t")


_DECODER = json.JSONDecoder(strict=False)


def _tokens(line: str, key: str = "") -> Iterator[_Found]:
    """The strings of what is not JSON as a whole: a document that is cut, or Python's way to write it."""
    for double, colon, single, other in _STRING.findall(line):
        text = _decoded(double or single)
        if colon or other:
            key = text
        elif text:
            yield _Found((key,), text)


def _strings(value: Any, path: Path, depth: int) -> Iterator[_Found]:
    """The strings of a document in its order. Of the elements of a list all have one path, but for those of a list
    within a list, which is a row of values."""
    if isinstance(value, str):
        inner = _within(value) if value[:1] in "{[" and depth else None
        if inner is None:
            yield _Found(path, value)
        else:
            yield from _strings(inner, path, depth - 1)
    elif isinstance(value, list) and depth:
        row = bool(path) and path[-1] == "*"
        for number, one in enumerate(value):
            yield from _strings(one, path + (str(number) if row else "*",), depth - 1)
    elif isinstance(value, dict) and depth:
        yield from _members(value, path, depth)


def _members(record: Any, path: Path, depth: int) -> Iterator[_Found]:
    """The strings of a record; of journald's only the message, with the kernel's time in front where there is one."""
    tag = record.get("SYSLOG_IDENTIFIER")
    if record.get("_TRANSPORT", "kernel") != "kernel" and str(tag).lower() not in KERNEL_TAGS:
        return
    stamp = str(record.get("_SOURCE_MONOTONIC_TIMESTAMP", ""))
    before = f"[{stamp[:-6] or 0:>5}.{stamp[-6:]:0>6}] " if stamp.isdigit() else ""
    host = record.get("_HOSTNAME")
    if before and isinstance(host, str) and tag == "kernel":
        before += host + " kernel: "
    for key, value in record.items():
        if isinstance(value, list) and value and all(type(byte) is int and 0 <= byte < 256 for byte in value):
            value = bytes(value).decode("utf-8", "surrogateescape")  # journald: not UTF-8, or with newlines
        if key == "MESSAGE" and isinstance(value, str) and before:
            yield _Found((*path, key), "\n".join(before + part for part in value.rstrip("\n").split("\n")))
        else:
            yield from _strings(value, (*path, key), depth - 1)


def _within(text: str) -> Any:
    """A document in a string."""
    if _START.match(text) is None:
        return None
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def tells(text: str) -> bool:
    """Are these certainly lines of a kernel's log, or one?"""
    if any(word in text for word in _TELLING):
        return True
    if "\n" in text or not 8 <= len(text) <= 1100:
        return False
    return is_read(strip(text).text)

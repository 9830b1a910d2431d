"""Logs that wrap each line in a structure: JSON of journald, docker and others, journald's export format."""

from __future__ import annotations

import json
import re
from typing import Any, List, Optional

from .prefix import KERNEL_TAGS

_JSON_KEYS = ("MESSAGE", "message", "@message", "msg", "log", "text", "line", "content", "body", "textPayload",
              "jsonPayload", "short_message", "_raw", "result")
_PRETTY = re.compile(r'\s*"(?:MESSAGE|message|msg|log|textPayload)"\s*:\s*(".*"),?\s*$')
_BRACKETS = frozenset(["{", "}", "},", "[", "]", "],"])
_MEMBER = re.compile(r'\s*"\w+"\s*:')
_ENTRY = re.compile(r"\w+ \d{4}-\d\d-\d\d [^\[]* \[s=[0-9a-f]+;i=")  # journalctl -o verbose
_FIELD = re.compile(r"\s*(?:_{0,2}[A-Z][A-Z0-9_]*)=")
_EXPORT = re.compile(r"\s*MESSAGE=")
_BINARY = "MESSAGE"  # alone on its line: the length in eight bytes and the text follow, because of newlines in it
_LENGTH = 8
_MOST = 1 << 16  # bytes of a message


class Structure:
    """Takes lines out of their structure."""

    def __init__(self) -> None:
        self._left = 0  # bytes of a binary field that are still to come
        self._binary = False  # such a field begins with the next line

    @property
    def within(self) -> bool:
        """Is the next line a part of a field with newlines? Then each of its bytes counts."""
        return self._binary or self._left > 0

    def unwrap(self, line: str) -> Optional[List[str]]:
        """The lines of text in a structured record: none if it is a part without text. None: it is no such record."""
        if self.within:
            return self._from_binary(line)
        first = line[:1]
        alone = line.strip()
        if alone in _BRACKETS or alone == _BINARY:
            self._binary = alone == _BINARY
            return []
        if first in "{d\x1e[- " and "{" in line:
            found = _from_json(line)
            if found is not None:
                return found
        if first in ' "\t' and '"' in line:
            pretty = _PRETTY.match(line)
            if pretty is not None:
                return _decoded(pretty.group(1))
            if _MEMBER.match(line):
                return []
        if _ENTRY.match(line):
            return []
        if "=" in line[:40] and _FIELD.match(line):
            export = _EXPORT.match(line)
            return [] if export is None else [line[export.end():]]
        return None

    def _from_binary(self, line: str) -> Optional[List[str]]:
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
        return [raw.decode("utf-8", "surrogateescape")]


def _from_json(line: str) -> Optional[List[str]]:
    if line.startswith("data: "):
        line = line[6:]
    line = line.lstrip("\x1e- ").rstrip(", ")  # records of a list, too
    if not line.startswith(("{", "[{")):
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, list):
        return _message(record)
    return [part for one in record for part in _message(one) or ()]


def _decoded(text: str) -> Optional[List[str]]:
    try:
        return str(json.loads(text)).rstrip("\n").split("\n")
    except ValueError:
        return None


def _message(record: Any) -> Optional[List[str]]:
    """The message of a JSON record, with the kernel's time in front where the record has it."""
    if not isinstance(record, dict):
        return None
    tag = record.get("SYSLOG_IDENTIFIER")
    if record.get("_TRANSPORT", "kernel") != "kernel" and str(tag).lower() not in KERNEL_TAGS:
        return []
    for key in _JSON_KEYS:
        found = record.get(key)
        if isinstance(found, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in found):
            found = bytes(found).decode("utf-8", "surrogateescape")  # journald: not UTF-8, or with newlines
        if isinstance(found, dict):
            return _message(found)
        if not isinstance(found, str):
            continue
        stamp = str(record.get("_SOURCE_MONOTONIC_TIMESTAMP", ""))
        before = f"[{stamp[:-6] or 0:>5}.{stamp[-6:]:0>6}] " if stamp.isdigit() else ""
        host = record.get("_HOSTNAME")
        if before and isinstance(host, str) and tag == "kernel":
            before += host + " kernel: "
        return [before + part for part in found.rstrip("\n").split("\n")]
    return None

"""Prefixes of a form that nobody foresaw: learned from lines in which it is certain where the kernel's words begin."""

from __future__ import annotations

import re
from typing import Optional

from .match import is_read
from .prefix import Stripped, strip

_BEGINNINGS = re.compile(
    r"sysrq: Manual OOM execution$|oom_kill_process: \d+ callbacks|Call Trace:$"
    r"|Mem-Info:$|oom-kill:constraint=|Tasks state \(memory values in pages\):|Memory cgroup stats for /"
    r"|Memory cgroup out of memory: Kill|(?<!cgroup )Out of memory: Kill|\[ +pid +\] +uid|Task in /\S* killed as"
    r"|CPU: \d+ (?:UID: \d+ )?PID: \d+ Comm: |memory: usage \d+kB"
    r"|(?<=[|\]>;,\t\"])[^\s|\]\"][^|\]\"]{0,14} invoked oom-killer: |(?<=[: ])[^\s|:;,\]\"]{1,15} invoked oom-killer: "
)
_LONGEST = 160  # of a prefix
_NAME = 15  # of a process: a longer one before "invoked" has a prefix in it
_PART = re.compile(r"\d+|[A-Za-z]+|\s+|.", re.DOTALL)


class Strange:
    """The prefix that a log's lines have."""

    def __init__(self) -> None:
        self._shape: Optional["re.Pattern[str]"] = None

    def learn(self, line: str) -> None:
        """Looks at a line that comes later, for those before it."""
        usual = strip(line)
        if usual.time_ns is None:
            self.instead(line, usual)

    def instead(self, line: str, usual: Stripped) -> Optional[Stripped]:
        """The line without such a prefix, of which the usual forms know a part alone, or take too much. None: the
        usual forms are right."""
        read = is_read(usual.text)
        if self._shape is None and read:
            return None
        known, found = self._shape, self.strip(line)
        if found is None or found.prefix == usual.prefix:
            return None
        if (read and not is_read(found.text)) or (known is None and not is_read(found.text)):
            self._shape = known
            return None
        return found

    def strip(self, line: str) -> Optional[Stripped]:
        """The line without such a prefix, None if it has none."""
        match = self._shape.match(line) if self._shape is not None else None
        if match is None:
            found = _BEGINNINGS.search(line, 1, _LONGEST + 40)
            if found is None or not _is_prefix(line[: found.start()], found.group()):
                return None
            self._shape = re.compile("".join(map(_expression, _PART.findall(line[: found.start()]))))
            match = self._shape.match(line)
        if match is None or not match.end():
            return None
        text = line[match.end():]
        if match.group().count('"') % 2 and text.endswith('"'):  # a field of a table
            text = text[:-1]
        return Stripped(text, match.group())


def _is_prefix(before: str, words: str) -> bool:
    """Is what stands before the kernel's words more than indentation, or a part of a name with blanks in it?"""
    if not before.strip(" \t>|#") or len(before) > _LONGEST:
        return False
    return "invoked" not in words or len(before + words.split(" ")[0]) > _NAME


def _expression(part: str) -> str:
    """Numbers and words may differ from line to line; all else is the same."""
    if part.isdigit():
        return r"\d+"
    if part.isalpha() and part.isascii():
        return "[A-Za-z]+"
    if part in ":-":  # grep's, before a line that was found and before one beside it
        return "[:-]"
    return r"\s+" if part.isspace() and len(part) > 1 else re.escape(part)

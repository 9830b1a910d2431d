"""What a medium put behind each line: learned from a line of which it is certain where the kernel's words end."""

from __future__ import annotations

import re

# The first line of a report and the last one end with a number, whatever the kernel.
_ENDS = re.compile(r"(?: invoked oom-killer: .*oom_(?:score_)?adj=-?\d+|Killed process \d.*(?:shmem-rss:\d+kB|"
                   r"oom_score_adj:-?\d+|file-rss:\d+kB))(?P<tail>[^\w\s,)][^\d\n]{0,11}|  | \\)$")


class Tail:
    """What stands at the end of a log's lines: a mark of ``cat -A``, of a string, or of a text processor."""

    def __init__(self) -> None:
        self._tail = ""

    def off(self, line: str) -> str:
        """The line without it."""
        if self._tail and line.endswith(self._tail):
            return line[: -len(self._tail)]
        if "oom_" not in line and "Killed" not in line:
            return line
        match = _ENDS.search(line)
        if match is None:
            return line
        if "invoked" in match.group():
            self._tail = match.group("tail")
        return line[: match.start("tail")]

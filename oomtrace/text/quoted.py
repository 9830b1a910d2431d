"""Quoted-printable: raw mails, in which = begins an escape and, at the end of a line, a line that goes on."""

from __future__ import annotations

import quopri
import re
from typing import Optional

_SURE = re.compile(r"\b(?:gfp_mask|order|oom_(?:score_)?adj|constraint|nodemask|cpuset|mems_allowed|pid|uid|task|"
                   r"oom_memcg|task_memcg|hugepages_total)=3D"
                   r"|^Content-Transfer-Encoding: *quoted-printable", re.IGNORECASE)
_ESCAPE = re.compile(r"=(?:[0-9A-F]{2}|$)")
_PLAIN = re.compile(r"=(?![0-9A-F]{2}|$)")  # what no quoted text has
_END = "=0A"  # of a line, where a mail program takes the text for bytes
_LONGEST = 76  # of a line, by RFC 2045
_MOST = 8192


class Quoted:
    """Undoes it, once a line shows that it is there."""

    def __init__(self) -> None:
        self._on = False
        self._begun = ""  # of a line that goes on

    def line(self, line: str) -> Optional[str]:
        """The line as it was; None: it goes on in the next."""
        if not self._on:
            if "=" not in line or not (_SURE.search(line) or _soft(line)):
                return line
            self._on = True
        if _PLAIN.search(line) and not self._begun:  # the mail is over
            self._on = False
            return line
        if line.rstrip(" ").endswith("=") and len(self._begun) < _MOST:
            self._begun += line.rstrip(" ")[:-1]
            if not self._begun.endswith(_END):
                return None
            line, self._begun = self._begun[:-len(_END)], ""
        whole, self._begun = self._begun + line, ""
        if "=" not in whole:
            return whole
        raw = quopri.decodestring(whole.encode("utf-8", "surrogateescape"))
        return raw.decode("utf-8", "surrogateescape")


def _soft(line: str) -> bool:
    """Is it a line that goes on? None of the kernel's ends so, and no form but this has such of that length."""
    return line.endswith("=") and _LONGEST - 4 <= len(line) <= _LONGEST and _PLAIN.search(line) is None

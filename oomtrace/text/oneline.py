"""Text whose line ends were lost: the kernel's lines in one long line, with blanks or nothing between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

from .match import is_read
from .prefix import QUOTES, strip

_LEAST = 12  # characters of a prefix by which lines can be told apart
# With what the kernel's lines begin, where none has a time in front.
_WORDS = re.compile(
    r"(?: |^)(?=(?:CPU: \d+ (?:UID: \d+ )?PID: |Pid: \d+, comm: |Tainted: \[|Hardware name: |Workqueue: |Call [Tt]race:"
    r"|\S{1,15} cpuset=\S+ mems_allowed="
    r"|</?[A-Z#][A-Z0-9_#]*>|\[<[0-9a-f]{8,16}>\]|(?<!>\] )(?<!\? )(?:\? )?[A-Za-z_][\w.]*\+0x[0-9a-f]+/0x[0-9a-f]+"
    r"|RIP: |Code: |RSP: "
    r"|RAX: |RDX: |RBP: |R10: |R13: |Task in /|memory: usage |memory\+swap: usage |kmem: usage |swap: usage "
    r"|Memory cgroup |Mem-Info:|active_anon:\d+ inactive_anon:\d+ iso|active_file:\d+ inactive_file:\d+ iso"
    r"|unevictable:\d+ dirty|slab_reclaimable:\d+ slab|mapped:\d+ shmem|sec_pagetables:\d+ bounce|kernel_misc_"
    r"|free:\d+ |Node \d+ |lowmem_reserve|\d+ total pagecache|\d+ pages |Swap cache stats|Free swap |Total swap "
    r"|Unreclaimable slab|Tasks state|\[ +pid +\]|\[ *\d+\] +\d+ +\d+ |oom-kill:|Out of memory|Killed process "
    r"|Kill process |Tasks in /|oom_reaper: |(?:anon|file|[a-z]+(?:_[a-z]+)+|kernel|percpu|sock|vmalloc|shmem"
    r"|zswap|zswapped|swapcached|unevictable|slab|pgfault|pgmajfault|pgrefill|pgscan|pgsteal|pgactivate|pgdeactivate|pglazyfree"
    r"|pglazyfreed) \d+(?: |$)))")
_TELLING = ("invoked oom-killer: ", "Killed process ", "oom-kill:constraint")


def apart(line: str) -> Sequence[str]:
    """The lines in ``line``; itself alone if there are no more in it."""
    if not any(word in line for word in _TELLING):
        return (line,)
    found = _by_prefix(line) or _by_words(line)
    return found or (line,)


def _by_prefix(line: str) -> Optional[list[str]]:
    """Where a prefix of the form of the first one comes again, another line begins."""
    stripped = strip(line)
    prefix = stripped.prefix.strip(QUOTES)
    if len(prefix) < _LEAST:
        return None
    shape = re.compile(re.sub(r"(?:\\ )+", " +", re.sub(r"\d+", r"\\d+", re.escape(prefix))))
    starts = [match.start() for match in shape.finditer(line)]
    if len(starts) < 2 or line[: starts[0]].strip(QUOTES):
        return None
    return [line[at:end].rstrip(" ") for at, end in zip(starts, [*starts[1:], len(line)])]


def _by_words(line: str) -> Optional[list[str]]:
    """Where words stand with which the kernel's lines begin; a line that no row reads stays with the one before."""
    if len(line) < 300 or is_read(line):
        return None
    starts = [0] + [match.end() for match in _WORDS.finditer(line) if match.end()]
    parts = [line[at:end].rstrip(" ") for at, end in zip(starts, [*starts[1:], len(line)])]
    parts = [" " + part if part.startswith("[<") else part for part in parts]  # as most architectures print a frame
    return parts if sum(is_read(part) or is_read(" " + part) for part in parts) >= 3 else None

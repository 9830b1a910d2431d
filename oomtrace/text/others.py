"""Lines between those of a report that are not of it: other CPUs', other subsystems', and people's own.

What is not known to be foreign stays in the report: a new kernel may print a line that no row knows yet.
"""

from __future__ import annotations

import re

# What the lines of a report begin with, on any architecture; whatever else stands before a colon is a subsystem, a
# driver, a device or a program.
_OURS = (
    r"Hardware name|Call [Tt]race|Code|[ER]IP|PC|LR|pc|lr|sp|psr|pstate|NIP|REGS|MSR|CFAR|IRQMASK|GPR\d+|Node|Mem-Info"
    r"|DMA|DMA32|Normal|HighMem|Movable|Workqueue|Sched_ext|Stopper|Memory|memory|memory\+swap|kmem|swap|Tasks"
    "|Out of memory|oom_reaper|oom-kill|Stack|Exception stack|CPU|Comm|Process|Pid|Modules linked in|Tainted|Backtrace"
    r"|Killed process|Kernel panic|COMPACTION|Unreclaimable|Krnl (?:PSW|GPRS|Code)|epc|status|badaddr|cause|[xr]\d+"
    r"|era?|ra|tp|[ast]\d|PRMD|EUEN|ECFG|ESTAT|BADV|PRID|CRMD|[ER][A-DS][XIP]|[DEFG]S|CR\d|\$ *\d+"
)
_SUBSYSTEM = re.compile(
    rf"(?!(?:{_OURS})\b)(?:<\d>)?\[?[A-Za-z0-9][\w./()\[\]@#-]*(?: [\w.:()\[\]/#-]+){{0,4}}: ?\S"
)
_SIZES = re.compile(r"\b\d+ ?[kK]B\b|\bpages\b")  # rather a new line of Mem-Info
_SENTENCES = re.compile(
    r"device \S+ (?:entered|left) promiscuous mode|.*\bIN=\S* OUT=|\[[A-Za-z][\w :]*\] |Adding \d+k swap on "
    r"|(?:perf|hrtimer|NMI)\S* interrupt took|Process accounting |vm direct limit must|warning: `|BUG: |INFO: "
    r"|WARNING: |-+\[ (?:cut here|end trace)|\w+ uses? (?:32-bit|wireless|obsolete)|process `|Bridge firewalling"
)
# What people put where they left lines out.
_MARKS = re.compile(r"[\s\W_]+")
_EDITED = frozenset(["", "snip", "snipped", "linessnipped", "skip", "skipped", "skipping", "abridged", "omitted",
                     "linesomitted", "cut", "deleted"])


# Words of those who leave lines out, and others that may stand beside them.
_LEFT_OUT = frozenset(
    "snip snipped snips cut skip skips skipped skipping abridged omit omitted omitting deleted removed elided trimmed "
    "truncated redacted shortened more etc".split())
_BESIDE = frozenset(
    "a all and are as b br brevity by entries entry few for from here hundred hundreds i in it line lines list log "
    "long lots many most not of on other others output part pre processes rest row rows same similar so some space "
    "stack such table task tasks the these this to too trace was were with".split())
_WORD = re.compile(r"[A-Za-z]+")
_MARK_LENGTH = 80


def is_elision(text: str) -> bool:
    """Is it what somebody put where lines were left out: "[...]", "<snip>", "-- 20 lines omitted --", a fence, a quote
    mark alone? A blank line is none."""
    bare = text.strip()
    if not bare or len(bare) > _MARK_LENGTH:
        return False
    words = _WORD.findall(bare)
    if not words:
        return not any(char.isdigit() for char in bare)
    lower = [word.lower() for word in words]
    return len(words) < 12 and any(word in _LEFT_OUT for word in lower) and all(
        word in _LEFT_OUT or word in _BESIDE for word in lower)


_FOUR_WORDS = re.compile(r"(?:^|\s)(?:[\"'(]?[A-Za-z]+(?:['’-][A-Za-z]+)*[,.;:?!)\"]* ){3}[\"'(]?[A-Za-z]+")


def is_prose(text: str) -> bool:
    """Are these words rather than values?"""
    return _FOUR_WORDS.search(text) is not None or not any(char.isdigit() for char in text)


def is_foreign(text: str) -> bool:
    """Is the line, which no row reads, certainly not the kernel's on an OOM?"""
    if _MARKS.sub("", text).lower() in _EDITED or _SENTENCES.match(text):
        return True
    return _SUBSYSTEM.match(text) is not None and _SIZES.search(text) is None

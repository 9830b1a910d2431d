"""What stands before the kernel's words in a log line, in all the forms in which logs have it.

A prefix is made of layers (quote, date, host, tag, level, kernel time, caller), each of which may be absent. They are
taken off from the left as long as one fits.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional


class Stripped(NamedTuple):
    """A line without its prefix."""

    text: str
    prefix: str = ""
    time_ns: Optional[int] = None  # boot clock; wall clock times are only in the prefix
    source: str = ""  # lines of different sources are of different reports: host and tag
    caller: str = ""  # CONFIG_PRINTK_CALLER: "T123" or "C1"
    kernel: bool = True  # False: the log says that another program wrote it
    whole: bool = False  # a record of /dev/kmsg: no other line is a part of it


QUOTES = " \t>|#"  # of which quotes and indentation consist
_QUOTE = re.compile(r"[ \t]*(?:[>|][ \t]?)+(?:#+ )?|#+ (?=\[)|[ \t]+(?=\[[ \d]{4,}\.\d{3,6}\]|\t|[A-Z\d<]|kern *:)")
_STAMP = re.compile(r"\[? *(\d+)\.(\d{6})\](?: ?\[ *([TC]\d+)\])? ?")
# What vendors of phones put behind the time: CPU, process and its number.
_VENDOR = re.compile(r" ?(?:\[\d: *[^\]]{1,16}: *\d+\] ?|\(\d\)\[\d+:[^\]]{1,16}\] ?|c\d +\d+ )")
_STAMP_WITHIN = re.compile(r"(?<=[ :\w\"|>\t,;-])\[ *(\d+)\.(\d{6})\](?: ?\[ *([TC]\d+)\])? ")
_WALL = re.compile(r"\[?[^\[\]]{0,40}\d\d:\d\d(?::\d\d)?[^\[\]]{0,24}\](?::? |:?$)|\[ *[<+] *\d+\.\d+>?\](?: |$)")
_KMSG = re.compile(r"(\d{1,4}),\d+,(\d+),[^;]{1,80};")
_FACILITY = r"(?:kern|user|mail|daemon|auth|syslog|local\d)"
_LEVEL = re.compile(rf"<\d{{1,4}}>|(?:([\w.:-]+): )?{_FACILITY} *: *[a-z]+ *: ?")
_ZONE = r"(?:Z|[+-]\d\d:?\d\d)?"
_DATE = (
    r"(?:"
    r"\S{2,9} +\d{1,2}月? (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d+)?"  # Jun 20 12:47:21, in any language
    r"|\d{1,2}月 \d{1,2} \d\d:\d\d:\d\d"
    r"|(?:\w{2,4} )?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?" + _ZONE +
    r"|\d{10}\.\d{3,6}"  # journalctl -o short-unix
    r")"
)
# What a virtual machine says on its serial port, in its host's log (ESXi).
_GUEST = re.compile(_DATE + r"\|? (?:[A-Z]\w\(\d+\) )?vcpu-\d+(?: -|\| \w+:) Guest: ")
_CONTAINER = re.compile(_DATE + r" (?:stdout|stderr) [FP] ")
_RFC5424 = re.compile(r"1 (?:" + _DATE + r"|-) (\S+) (\S+) \S+ \S+ (?:-|\[[^\]]*\]) ?\ufeff?")
_SYSLOG = re.compile(_DATE + rf"(?: [A-Z]{{2,5}})?(?: \d{{4}})? (?:(?!{_FACILITY}\.)([\w.:@%-]+) )?"
                     rf"(?:{_FACILITY}\.\w+ )?" r"(?:(kernel|kern|vmunix): ?|([\w./@()-]+)(\[\d+\])?: )")
_BARE_DATE = re.compile(_DATE + r"(?:\t| (?=\S| \[<)| +)")  # a frame begins with a blank of its own
_HOST = re.compile(r"([\w.:@%-]+) (kernel): ")  # behind a monotonic time (journalctl -o short-monotonic)
_TAG = re.compile(r"(kernel): ?")
# What vendors and relays put between the time and the tag: host, level, facility, numbers.
_WORDS = re.compile(r"((?:[\w.:@%/<>\[\]()=,-]{1,64} +){1,5}?)(?:kernel|kern|vmunix|klogd|dmesg)(?:\[[-\d]*\])?: ?"
                    r"|((?:[^\s]{1,64} +){0,5}?)%[A-Z0-9_]+-\d-[A-Z0-9_]+: ?")
_NO_HOST = re.compile(rf"<?(?:{_FACILITY}\W)?(?:emerg|alert|crit|err|warn|notice|info|debug)\w*>?$|\W*\d+\W*$|[^\w]",
                      re.IGNORECASE)
_LABELS = re.compile(r'\{[\w.]+="[^"]*"(?:, ?[\w.]+="[^"]*")*\}[ \t]')  # LogCLI
_BEHIND = " - kernel"  # Cisco puts the tag there

# What the kernel's own lines begin with, behind a date without host and tag.
_NOT_A_TAG = frozenset(["Hardware name", "Call Trace", "Call trace"])
KERNEL_TAGS = frozenset(["kernel", "kern", "dmesg", "vmunix", "kmsg"])
_KMSG_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


def strip(line: str) -> Stripped:
    """Takes the prefix off a line of text."""
    if line[:1].isalpha() and ":" not in line[:64] and "] " not in line[:200]:
        return Stripped(line)  # nothing that a prefix could be: the usual case without one
    at, time_ns, caller, kernel = 0, None, "", True
    source: list[str] = []
    while True:
        match = _QUOTE.match(line, at) if at == 0 else None
        if match is not None and match.end() > at:
            at = match.end()
        kmsg = _KMSG.match(line, at)
        if kmsg is not None:
            text = _unescape(line[kmsg.end():])
            return Stripped(text, line[: kmsg.end()], int(kmsg.group(2)) * 1000, whole=True)
        stamp = _STAMP.match(line, at)
        if stamp is not None:
            time_ns = int(stamp.group(1)) * 1000000000 + int(stamp.group(2)) * 1000
            caller, kernel = stamp.group(3) or "", True
            at, more = _behind_time(line, stamp.end())
            source += more
            break
        step = _layer(line, at)
        if step is None:
            break
        at, words, said = step
        source += words
        kernel = said and kernel
    if time_ns is None:
        return _untimed(line, at, " ".join(source), kernel)
    text = line[at:-len(_BEHIND)] if line.endswith(_BEHIND) else line[at:]
    return Stripped(text, line[:at], time_ns, " ".join(source), caller, kernel)


def _behind_time(line: str, at: int) -> tuple[int, list[str]]:
    """Where the kernel's words begin behind its time, and the host if there is one."""
    vendor = _VENDOR.match(line, at)
    at = vendor.end() if vendor is not None else at
    host = _HOST.match(line, at)
    return (at, []) if host is None else (host.end(), [host.group(1)])


def _untimed(line: str, at: int, source: str, kernel: bool) -> Stripped:
    """A line in front of which the kernel's time is not, unless there is something else between."""
    inner = _behind_noise(line, at) if kernel else None
    if inner is not None:
        return inner
    return Stripped(line[at:], line[:at], None, source, "", kernel) if line[:at].strip() else Stripped(line)


def _behind_noise(line: str, at: int) -> Optional[Stripped]:
    """A line with the kernel's time somewhere in it: a serial console where something else was being written."""
    found = _STAMP_WITHIN.search(line, at + 1, at + 200)
    if found is None:
        return None
    time_ns = int(found.group(1)) * 1000000000 + int(found.group(2)) * 1000
    text = line[found.end():]
    if line.count('"', 0, found.start()) % 2 and text.endswith('"'):  # a field of a table
        text = text[:-1]
    return Stripped(text, line[: found.end()], time_ns, "", found.group(3) or "")


def _layer(line: str, at: int) -> Optional[tuple[int, list[str], bool]]:
    """One layer at ``at``: where it ends, what it says of the source, whether the kernel may have written the line."""
    level = _LEVEL.match(line, at)
    if level is not None:
        return level.end(), [level.group(1)] if level.group(1) else [], True
    for pattern in (_GUEST, _WALL, _CONTAINER, _TAG):
        match = pattern.match(line, at)
        if match is not None:
            return match.end(), [], True
    match = _RFC5424.match(line, at)
    if match is not None:
        kernel = match.group(2).lower() in KERNEL_TAGS
        return match.end(), [match.group(1)] if kernel else [match.group(1), match.group(2)], kernel
    match = _SYSLOG.match(line, at)
    if match is not None:
        host, tag, other, pid = match.groups("")
        if tag:
            return match.end(), [host], True
        if pid or (host and f"{host} {other}" not in _NOT_A_TAG):
            return match.end(), [host, other], False
    for pattern in (_BARE_DATE, _LABELS):
        match = pattern.match(line, at)
        if match is not None:
            return match.end(), [], True
    return _words(line, at)


def _words(line: str, at: int) -> Optional[tuple[int, list[str], bool]]:
    match = _WORDS.match(line, at)
    if match is None:
        return None
    words = (match.group(1) or match.group(2) or "").split()
    return match.end(), [word for word in words[:1] if not _NO_HOST.match(word)], True


def _unescape(text: str) -> str:
    r"""The text of a /dev/kmsg record: ``\xNN`` stands for each byte that is not printable ASCII."""
    if "\\x" not in text:
        return text
    raw = _KMSG_ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), text)
    try:
        return raw.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # not a record of the kernel, which escapes everything above ASCII
        return text

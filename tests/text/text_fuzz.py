"""Coverage-guided fuzzing of the reader: ``python tests/text/text_fuzz.py [libFuzzer options] [corpus folders]``."""

from __future__ import annotations

import os
import random
import re
import sys

import atheris

with atheris.instrument_imports(include=["oomtrace.text"]):
    from oomtrace import why
    from oomtrace.errors import OomtraceError
    from oomtrace.formats import DIALECTS, ROWS
    from oomtrace.text import read, replay, text, write
    from oomtrace.text.archive import members
    from oomtrace.text.source import chunks

_NUMBER = re.compile(rb"\d+")
_NUMBERS = (b"0", b"1", b"-1", b"7", b"4096", b"9007199254740988", b"18446744073709551615", b"9" * 23)
_WORDS = sorted({row.format.literal.encode() for row in ROWS.values() if row.format.literal.strip()}) + [
    b"[    1.000002] ", b"4,1,2,-;", b"> ", b"<4>", b"kernel: ", b"\x1b[1m", b"\\x0a", b"#012", b"\xc3",
    b"Jan  2 03:04:05 a ", b'{"log": "', b'"}', b'["', b'",', b"\\n", b"\\u001b[1m", b"=3D", b"=\n", b"<pre>", b"<br>",
    b"&lt;", b"| 1 | ", b" |", b"[...]", b">", b"\xe2\x80\xa6", b"`",
    b"INSERT INTO log VALUES (1,'", b"'),(2,'", b"*************************** 1. row ***************************",
    b"-[ RECORD 1 ]---", b"message: ", b" (mm/oom_kill.c:1) ", b"=0A="]


def one(data: bytes) -> None:
    """Any bytes: events or none, but no exception, and all that is printed is text."""
    size = 64 + data[0] * 16 if data else 1
    try:
        found = [event for member in members("log", chunks(data[at: at + size] for at in range(0, len(data), size)))
                 for event in read(member.pieces)]
    except OomtraceError:  # it begins as an archive does, and is a damaged one
        return
    for event in found:
        if _PLANTED and str(_MOST) in str(event):
            raise AssertionError("the planted bug")
        text(replay(event), timestamps=True)
        if sum(data) % 8 == 0:  # not each time: reading is what can go wrong
            text(write(event, _DIALECTS[len(data) % len(_DIALECTS)]))
            why.explain(event)


_MOST = 2**64 - 1
_PLANTED = os.environ.get("OOMTRACE_FUZZ_PLANTED") == "1"  # does the fuzzing find anything?
_DIALECTS = [DIALECTS[name] for name in ("2.6.32", "3.10-el7", "4.19", "5.10-debian", "7.3")]


def mutated(data: bytes, max_size: int, seed: int) -> bytes:
    """As logs are damaged, by lines, words and numbers; else as libFuzzer does it."""
    chance = random.Random(seed)
    way = chance.choice((0, 0, 0, 1, 2, 3, 4, 5, 5))
    lines: list[bytes] = data.split(b"\n")
    at = chance.randrange(len(lines))
    if way == 0:
        numbers = list(_NUMBER.finditer(data))
        if numbers:
            found = chance.choice(numbers)
            other = chance.choice(_NUMBERS) if chance.random() < 0.5 else str(chance.randrange(2000)).encode()
            return (data[: found.start()] + other + data[found.end():])[:max_size]
    if way == 1:
        lines.insert(chance.randrange(len(lines) + 1), lines[at])
    elif way == 2:
        del lines[at]
    elif way == 3:
        cut = chance.randrange(len(lines[at]) + 1)
        lines[at] = lines[at][:cut] if chance.random() < 0.5 else lines[at][cut:]
    elif way == 4:
        cut = chance.randrange(len(lines[at]) + 1)
        lines[at] = lines[at][:cut] + chance.choice(_WORDS) + lines[at][cut:]
    else:
        return bytes(atheris.Mutate(data, max_size))
    return b"\n".join(lines)[:max_size]


if __name__ == "__main__":
    atheris.Setup(sys.argv, one, custom_mutator=mutated)
    atheris.Fuzz()

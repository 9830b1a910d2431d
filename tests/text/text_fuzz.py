"""Coverage-guided fuzzing of the reader: ``python tests/text/text_fuzz.py [libFuzzer options] [corpus folders]``."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from oomtrace.formats import DIALECTS
    from oomtrace.text import read, replay, text, write


def one(data: bytes) -> None:
    """Any bytes: events or none, but no exception, and all that is printed is text."""
    size = 1 + data[0] * 16 if data else 1
    for event in read(data[at: at + size] for at in range(0, len(data), size)):
        text(replay(event), timestamps=True)
        for name in ("3.10-el7", "4.19", "7.3"):
            text(write(event, DIALECTS[name]))


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()

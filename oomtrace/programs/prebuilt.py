"""The programs that oomtrace comes with: one file, made by ``make programs``, for all architectures (oomtrace/arch.py).

It is plain text, a program a line. It belongs to one version of the sources: programs of other sources would send
records that are not understood.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterable

from oomtrace import shipped
from oomtrace.kernel.questions import Question, questions
from oomtrace.programs import source, stubs
from oomtrace.programs.image import Image

FORMAT = 2
NAME = "programs/images/programs.json"
"""Where in the package they are."""


class Unfit(Exception):
    """Why there are no shipped programs to use; a part of a sentence."""


def digest() -> str:
    """Of all that the programs are made of, the compiler aside."""
    return _digest(source.source() + stubs.KCONFIG + str(FORMAT))


def _digest(text: str) -> str:
    # The same in every Python, which its own source_hash is not; hashlib would load OpenSSL.
    data = text.encode()
    return f"{len(data):x}-{binascii.crc32(data):08x}"


def asked() -> tuple[Question, ...]:
    """What the programs ask of a kernel, in the order of their marks."""
    return questions(source.source())


def dump(image: Image, compiler: str) -> str:
    """The file's text."""
    plain = image.to_plain()
    lists = ",\n".join(f"{json.dumps(key)}: [\n{_rows(plain[key])}\n]" for key in ("asked", "maps", "programs"))
    body = f"{lists}\n}}\n"
    head = {
        "format": FORMAT,
        "compiler": compiler,
        "sources": digest(),
        "body": _digest(body),
    }
    return f"{json.dumps(head)[:-1]},\n{body}"


def _rows(rows: Iterable[object]) -> str:
    return ",\n".join(json.dumps(row, sort_keys=True) for row in rows)


def load() -> Image:
    """The programs. Raises Unfit."""
    try:
        text = shipped.read(NAME).decode()
    except FileNotFoundError as error:
        raise Unfit("none are shipped") from error
    except UnicodeDecodeError as error:
        raise Unfit("those shipped are damaged") from error
    first, _, body = text.partition("\n")
    try:
        head = json.loads(first.rstrip(",") + "}")
        if head["format"] != FORMAT:
            raise Unfit(f"those shipped are of another version (format {head['format']})")
        if head["body"] != _digest(body):
            raise Unfit("those shipped are damaged")
        if head["sources"] != digest():
            raise Unfit("those shipped are of other sources (`make programs` compiles them)")
        return Image.from_plain(json.loads("{" + body))
    except (ValueError, KeyError, TypeError) as error:
        raise Unfit("those shipped are damaged") from error

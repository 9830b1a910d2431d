"""What of a record must not be kept: it goes before anything else has the record, and so before a capture has it."""

from __future__ import annotations

from oomtrace.wire.layout import TraceRecord
from oomtrace.wire.records import RecSender, RecWho
from oomtrace.witness.secrets import masked


def cleaned(record: TraceRecord) -> bytes:
    """The bytes of a record of kind WHO with secrets masked, and nothing left where a text has ended: what lies there
    is of another process."""
    body = record.read(RecWho)
    words = bytes(body.cmdline)[: body.cmdline_len]
    whole = body.cmdline_len == body.cmdline_full_len
    texts = words.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")
    if not whole:  # the end of it may be half of a secret
        texts = texts[:-1]
    hidden, count = masked(texts)
    if count or not whole:
        all_words = "".join(f"{text}\0" for text in hidden).encode("utf-8", "surrogateescape")
        words = all_words[: len(body.cmdline)]
        body.cmdline_len, body.cmdline_full_len = len(words), len(all_words) + (not whole)
        body.masked = count
    body.cmdline[:] = words.ljust(len(body.cmdline), b"\0")  # type: ignore[index]
    body.exe[:] = bytes(body.exe)[: body.exe_len].ljust(len(body.exe), b"\0")  # type: ignore[index]
    return bytes(body)  # type: ignore[call-overload,no-any-return]


def cleaned_sender(record: TraceRecord) -> bytes:
    """The same of one of kind SENDER. A command line that fills its room may go on."""
    body = record.read(RecSender)
    words = bytes(body.args)[: body.args_bytes]
    texts = words.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")
    if len(words) == len(body.args):
        texts = texts[:-1]
    hidden, _ = masked(texts)
    words = "".join(f"{text}\0" for text in hidden).encode("utf-8", "surrogateescape")[: len(body.args)]
    body.args_bytes = len(words) if body.args_bytes else 0
    body.args[:] = words[: body.args_bytes].ljust(len(body.args), b"\0")  # type: ignore[index]
    return bytes(body)  # type: ignore[call-overload,no-any-return]

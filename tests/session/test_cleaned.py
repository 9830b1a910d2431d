"""What of a record must not be kept."""

from __future__ import annotations

from oomtrace.session.cleaned import cleaned, cleaned_sender
from oomtrace.wire import who
from oomtrace.wire.records import RecordKind, RecSender, RecWho
from tests.wire.made import LAYOUT, oom_records, record


def _kept(words: bytes, full_len: int = 0, rest: bytes = b"") -> bytes:
    made = record(RecordKind.WHO, cmdline=words + rest, cmdline_len=len(words), cmdline_full_len=full_len or len(words),
                  exe=b"python3\0bin\0" + rest, exe_len=12)
    return cleaned(made)


def _words(raw: bytes) -> tuple[str, ...]:
    (found,) = who.identities(oom_records(LAYOUT.decode(raw)))
    assert found.cmdline is not None
    return found.cmdline


def test_a_secret_is_in_no_byte_of_it() -> None:
    raw = _kept(b"mysqldump\0--password=geheim\0orders\0")
    assert b"geheim" not in raw
    assert _words(raw) == ("mysqldump", "--password=***", "orders")
    assert LAYOUT.decode(raw).read(RecWho).masked == 1


def test_what_lies_behind_an_end_is_of_another_process() -> None:
    assert b"theirs" not in _kept(b"ls\0", rest=b"theirs")


def test_half_a_word_may_be_half_a_secret() -> None:
    raw = _kept(b"run\0--token\0abcdefgh", full_len=900)
    assert b"abcdefgh" not in raw
    assert _words(raw) == ("run", "--token", "…")


def test_a_mask_that_needs_more_room_than_there_was() -> None:
    longest = LAYOUT.constants["CMDLINE_LEN"]
    raw = _kept(b"x\0" + b"token=a\0" * ((longest - 2) // 8))
    assert b"=a" not in raw
    assert _words(raw)[1] == "token=***"
    assert _words(raw)[-1] == "…"


def test_an_ordinary_line_stays_as_it_is() -> None:
    assert _words(_kept(b"python3\0-m\0etl.load\0\0--table\0orders\0")) == (
        "python3", "-m", "etl.load", "", "--table", "orders")


def test_a_senders_command_line_likewise() -> None:
    def kept(words: bytes, rest: bytes = b"of another") -> RecSender:
        made = record(RecordKind.SENDER, args=(words + rest)[:256], args_bytes=len(words[:256]))
        raw = cleaned_sender(made)
        assert b"geheim" not in raw and b"another" not in raw
        return LAYOUT.decode(raw).read(RecSender)

    found = kept(b"curl\0-u\0me:geheim\0")
    assert bytes(found.args)[: found.args_bytes] == b"curl\0-u\0***\0"
    assert kept(b"").args_bytes == 0
    long = kept(b"x" * 240 + b"\0--password=geheim\0")
    assert bytes(long.args)[: long.args_bytes] == b"x" * 240 + b"\0", "the last word may be half of a secret"

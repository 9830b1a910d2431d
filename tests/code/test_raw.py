"""What a trace copies goes through JSON and back."""

from __future__ import annotations

import json

from oomtrace import code
from oomtrace.model import Charge, NoStack
from oomtrace.plain import from_plain, to_plain


def test_round_trip_through_json() -> None:
    stack = code.RawStack(bytes(range(168)), b"\x00\xff" * 40, True, ((0x7F00, 0x7F10),))
    mapping = code.MappedFile(0x1000, 0x3000, True, 0x1000, "fe:00", 12, "/opt/catalog", "ab12")
    process = code.Process(
        158, 1, 4711, (mapping,), "/proc/158/root", "7f00 10 lazy", b"\0\1",
        {"0x7f00": code.PythonCode("f", "a.py", 3, 9, b"\x80")},
        {"158": ((1, 2), (0, 0))},
    )
    raw = code.RawCode(
        "x86_64", (code.RawSample(158, 158, "catalog", stack, 262144, Charge.ANON, "/a", 10**9),),
        code.RawSample(2, 2, "kthreadd", code.RawStack(none=NoStack.KERNEL_THREAD)), processes=(process,), window_ns=5,
    )
    assert from_plain(code.RawCode, json.loads(json.dumps(to_plain(raw)))) == raw

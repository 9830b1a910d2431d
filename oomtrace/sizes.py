"""Sizes as people write them: ``64M``. The one place where an option or a file's size is read."""

from __future__ import annotations

import re

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_END = 1 << 63  # the kernel counts bytes in a signed 64-bit number
_DIGITS = 20  # Python refuses to make a number of some thousands


def parse(text: str) -> int:
    """The bytes that ``64M``, ``64MiB`` or ``67108864`` stands for. Raises ValueError with what is expected instead."""
    match = re.fullmatch(r"0*([0-9]+)([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if match is None:
        raise ValueError("expected a size such as 64M")
    size_bytes = int(match[1][:_DIGITS]) * _UNITS[match[2].upper()]
    if size_bytes >= _END:
        raise ValueError("expected a size below 8 EiB")
    return size_bytes

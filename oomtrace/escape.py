"""Text that others chose, for the eyes of a person. In no package: a trace that starts must not wait for more."""

from __future__ import annotations

import unicodedata

# Characters that a terminal acts on, or that hide or reorder what is beside them: control, format (bidirectional
# overrides among them), line and paragraph separators, and bytes that are no UTF-8.
_UNSAFE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def escaped(text: str) -> str:
    r"""The text with unsafe characters as ``\x1b`` or ``\u202e``, bytes that are no UTF-8 as ``\x80``; tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c == "\t" or unicodedata.category(c) not in _UNSAFE else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte kept by surrogateescape
        code -= 0xDC00
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"

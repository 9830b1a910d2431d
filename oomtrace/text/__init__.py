"""Log text ↔ OomEvent. Where logs come from (``source.py``, ``archive.py``) is for those who read them: a trace, whose
memory is that of a machine that is short of it, loads neither them nor what they decompress with."""

from .read import read
from .write import Record, dialect_of, replay, text, write

__all__ = ["Record", "dialect_of", "read", "replay", "text", "write"]

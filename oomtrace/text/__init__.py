"""Log text ↔ OomEvent."""

from .archive import Member, members
from .read import read
from .source import opened, pieces
from .write import Record, dialect_of, replay, text, write

__all__ = ["Member", "Record", "dialect_of", "members", "opened", "pieces", "read", "replay", "text", "write"]

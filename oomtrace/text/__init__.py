"""Log text ↔ OomEvent."""

from .read import read
from .source import opened, pieces
from .write import Record, dialect_of, replay, text, write

__all__ = ["Record", "dialect_of", "opened", "pieces", "read", "replay", "text", "write"]

"""Log text ↔ OomEvent."""

from .read import read
from .source import beginning, opened, pieces
from .write import Record, dialect_of, replay, text, write

__all__ = ["Record", "beginning", "dialect_of", "opened", "pieces", "read", "replay", "text", "write"]

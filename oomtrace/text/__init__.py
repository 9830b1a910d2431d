"""Log text ↔ OomEvent."""

from .write import Record, dialect_of, replay, text, write

__all__ = ["Record", "dialect_of", "replay", "text", "write"]

"""Vocabularies: a closed set of words that rooms share, so that nobody compares what another has worded."""

from __future__ import annotations

from enum import Enum


class Word(str, Enum):
    """A word of a vocabulary. It equals its text and prints as it, in every version of Python."""

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, form: str) -> str:
        return format(str(self.value), form)

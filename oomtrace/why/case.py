"""A finding in the making: clauses with their evidence, and what they mean."""

from __future__ import annotations

from typing import List, Optional

from .finding import CERTAIN, LIKELY, UNKNOWN, Fact, Finding, facts

_WORSE = [CERTAIN, LIKELY, UNKNOWN]


class Case:
    """Gathers facts and conclusions; the least sure conclusion says how sure the finding is."""

    def __init__(self, id: str, step: int, title: str) -> None:
        self._id, self._step, self._title = id, step, title
        self._clauses: List[str] = []
        self._conclusions: List[str] = []
        self._evidence: List[Fact] = []
        self._confidence = CERTAIN

    def says(self, clause: str, **values: Optional[int]) -> None:
        """A fact in words, and the fields that it is from."""
        self._clauses.append(clause)
        self._evidence += facts(**values)

    def shows(self, *evidence: Fact) -> None:
        """Further evidence for what is said."""
        self._evidence += evidence

    def means(self, conclusion: str, confidence: str = CERTAIN) -> None:
        """What follows."""
        self._conclusions.append(conclusion)
        self._confidence = max(self._confidence, confidence, key=_WORSE.index)

    def finding(self) -> Optional[Finding]:
        """The finding, None if there is nothing to say."""
        if not self._clauses:
            return None
        sentence = "; ".join(self._clauses)
        return Finding(self._id, self._step, self._title, sentence[:1].upper() + sentence[1:] + ".",
                       tuple(self._evidence), " ".join(self._conclusions) or None, self._confidence)

"""A finding in the making: statements with their facts, what follows from them, and how surely."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import OomEvent

from .finding import CERTAIN, LIKELY, UNKNOWN, Fact, Reason, Statement, Value, facts

_WORSE = [CERTAIN, LIKELY, UNKNOWN]


class Case:
    """Gathers statements. The least sure conclusion says how sure the finding is. ``before``: the OOMs before this
    one, in outline."""

    def __init__(self, before: tuple[OomEvent, ...] = ()) -> None:
        self.before = before
        self.said: list[Statement] = []
        self.concluded: list[Statement] = []
        self.confidence = CERTAIN
        self._shown: list[Fact] = []
        self._reason: Optional[Reason] = None

    def says(self, reason: Reason, confidence: str = CERTAIN, **values: Value) -> None:
        """A fact, and the fields that it is from."""
        self.said.append(Statement(reason, facts(**values)))
        self._doubt(confidence)

    def means(self, reason: Reason, confidence: str = CERTAIN, **values: Value) -> None:
        """What follows. The first of these is what the finding comes to."""
        self._reason = self._reason or reason
        self.remarks(reason, confidence, **values)

    def remarks(self, reason: Reason, confidence: str = CERTAIN, **values: Value) -> None:
        """What follows besides."""
        self.concluded.append(Statement(reason, facts(**values)))
        self._doubt(confidence)

    def shows(self, *evidence: Fact) -> None:
        """Further facts, which no sentence is about."""
        self._shown += evidence

    def knows(self, **values: Value) -> None:
        """The same by name."""
        self._shown += facts(**values)

    def _doubt(self, confidence: str) -> None:
        self.confidence = max(self.confidence, confidence, key=_WORSE.index)

    @property
    def reason(self) -> Reason:
        """What it comes to: the first conclusion, or the first statement."""
        return self._reason or self.said[0].reason

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Each thing that is stated, once."""
        return tuple(dict.fromkeys(statement.reason for statement in (*self.said, *self.concluded)))

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All facts; the first of a name counts."""
        found: dict[str, Fact] = {}
        for fact in (*(fact for one in (*self.said, *self.concluded) for fact in one.facts), *self._shown):
            found.setdefault(fact.name, fact)
        return tuple(found.values())

    def value(self, name: str) -> Value:
        """The fact of that name, None if it is not known."""
        return next((fact.value for fact in self.facts if fact.name == name), None)

    def has(self, *reasons: Reason) -> bool:
        """Is one of these stated?"""
        return any(reason in self.reasons for reason in reasons)

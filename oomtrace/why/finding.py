"""What an explanation is made of: reasons and facts, and the sentences that the phrasebook makes of them.

Facts are what the source says; a conclusion is what follows, and how surely. The analysis knows reasons and facts
alone. Words come from the phrasebook, when all is decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Optional, Union

from oomtrace.model import MemcgLevel

CERTAIN = "certain"  # follows from the facts and the kernel's source
LIKELY = "likely"  # the usual reading; the facts allow another one
UNKNOWN = "unknown"  # the source cannot tell


class Reason(Enum):
    """What a statement states: a member of the enum that stands beside its cause. Its text is for programs."""

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class Process:
    """A process within a fact: who it is, and what of it matters there."""

    pid: Optional[int]
    comm: Optional[str]
    kb: Optional[int] = None  # what it holds, or has charged
    percent: Optional[float] = None
    exempt: Optional[Reason] = None  # why it could not be chosen
    points: Optional[int] = None
    kernel_points: Optional[int] = None


@dataclass(frozen=True)
class Size:
    """A kind of memory within a fact, and how much there is of it."""

    kind: Reason
    kb: int
    percent: Optional[float] = None


@dataclass(frozen=True)
class Thing:
    """Something within a fact that takes memory: mappings of a process, a file, a socket, a slab cache."""

    what: str  # its kind, by the model's words: "heap", "tmpfs", "pipe"
    name: Optional[str]
    kb: int
    count: Optional[int] = None
    age_ns: Optional[int] = None
    holders: tuple[Process, ...] = ()
    unheld: bool = False  # it is known that nobody holds it
    deleted: bool = False


Single = Union[bool, int, float, str, Reason, Process, Size, Thing]
Value = Union[Single, tuple[Process, ...], tuple[Size, ...], tuple[Thing, ...], tuple[str, ...], None]


@dataclass(frozen=True)
class Fact:
    """One piece of evidence: a field or counter by the name that the model or the kernel has for it, unit in it."""

    name: str
    value: Value


@dataclass(frozen=True)
class Statement:
    """One thing that an explanation states, without words: which it is, and the facts that it is about."""

    reason: Reason
    facts: tuple[Fact, ...] = ()

    def value(self, name: str) -> Value:
        """The fact of that name, None if it is not known."""
        return next((fact.value for fact in self.facts if fact.name == name), None)


@dataclass(frozen=True)
class Finding:
    """One answer. ``sentence`` says the facts in words, ``interpretation`` what is concluded from them.

    ``reason`` is what it comes to, ``reasons`` is each thing that it states, in the order of the words. ``step`` is
    where it stands in the reading of a report: 0 the report itself, 1 what was full and who asked, 2 who was killed,
    3 what filled it and why reclaim could not help, 4 the task table, 5 the pick, 6 what came of it.
    """

    id: str
    step: int
    title: str
    reason: Reason
    reasons: tuple[Reason, ...]
    facts: tuple[Fact, ...]
    sentence: str
    interpretation: Optional[str] = None
    confidence: str = CERTAIN

    def has(self, *reasons: Reason) -> bool:
        """Is one of these stated?"""
        return any(reason in self.reasons for reason in reasons)

    def value(self, name: str) -> Value:
        """The fact of that name, None if it is not known."""
        return next((fact.value for fact in self.facts if fact.name == name), None)


@dataclass(frozen=True)
class Suggestion:
    """What to do next, and the finding (its ``id``) from which it follows."""

    finding: str
    reason: Reason
    facts: tuple[Fact, ...]
    sentence: str


@dataclass(frozen=True)
class Ranked:
    """A task as the kernel weighed it, recomputed. ``points`` None: they depend on what the source does not tell."""

    pid: int
    comm: str
    rss_kb: Optional[int]
    swap_kb: Optional[int]
    pgtables_kb: Optional[int]
    oom_score_adj: Optional[int]
    points: Optional[int]
    score_permille: Optional[int]  # of totalpages, as kernels up to 5.0 print it
    exempt: Optional[Reason] = None
    chosen: bool = False
    killed: bool = False


@dataclass(frozen=True)
class Amount:
    """A kind of memory and how much of the full memory it was."""

    kind: Reason
    name: str  # in words
    kb: int
    percent: Optional[float]


@dataclass(frozen=True)
class Explanation:
    """Why one OOM happened. The headline's reasons are: what happened, what filled it if that is known, how it
    ended."""

    headline: str
    headline_reasons: tuple[Reason, ...] = ()
    headline_facts: tuple[Fact, ...] = ()
    findings: tuple[Finding, ...] = ()
    levels: tuple[MemcgLevel, ...] = ()  # from the full memcg up to the root, where a live trace saw them
    amounts: tuple[Amount, ...] = ()  # what filled it, the largest first; what is not accounted for is one of them
    usage_kb: tuple[int, ...] = ()  # of the full memcg up to the OOM, by the second or the minute, the oldest first
    ranking: tuple[Ranked, ...] = ()  # by points, then the exempt ones
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def headline_reason(self) -> Reason:
        """What happened."""
        return self.headline_reasons[0]

    def finding(self, id: str) -> Optional[Finding]:
        """The finding of that id."""
        return next((finding for finding in self.findings if finding.id == id), None)


def facts(**values: Value) -> tuple[Fact, ...]:
    """Facts by name; ``__`` stands for a dot. What is not known is left out."""
    return tuple(Fact(name.replace("__", "."), value) for name, value in values.items() if value is not None)

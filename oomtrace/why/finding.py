"""What an explanation is made of. Facts are what the source says; an interpretation is what follows, and how surely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple, Union

from oomtrace.model import MemcgLevel

CERTAIN = "certain"  # follows from the facts and the kernel's source
LIKELY = "likely"  # the usual reading; the facts allow another one
UNKNOWN = "unknown"  # the source cannot tell

Value = Union[int, float, str, None]


@dataclass(frozen=True)
class Fact:
    """One piece of evidence: a field or counter by the name that the model or the kernel has for it, unit in it."""

    name: str
    value: Value


@dataclass(frozen=True)
class Finding:
    """One answer. ``sentence`` says the facts in words, ``interpretation`` what is concluded from them.

    ``step`` is where it stands in the reading of a report: 0 the report itself, 1 what was full and who asked, 2 who
    was killed, 3 what filled it and why reclaim could not help, 4 the task table, 5 the pick, 6 what came of it.
    """

    id: str
    step: int
    title: str
    sentence: str
    facts: Tuple[Fact, ...] = ()
    interpretation: Optional[str] = None
    confidence: str = CERTAIN


@dataclass(frozen=True)
class Suggestion:
    """What to look at next, and the finding (its ``id``) that says so."""

    finding: str
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
    exempt: Optional[str] = None
    chosen: bool = False


@dataclass(frozen=True)
class Amount:
    """A kind of memory and how much of the full memory it was."""

    name: str
    kb: int
    percent: Optional[float]


@dataclass(frozen=True)
class Explanation:
    """Why one OOM happened."""

    headline: str
    findings: Tuple[Finding, ...] = ()
    levels: Tuple[MemcgLevel, ...] = ()  # from the full memcg up to the root, where a live trace saw them
    amounts: Tuple[Amount, ...] = ()  # what filled it, the largest first; "not accounted for" is one of them
    ranking: Tuple[Ranked, ...] = ()  # by points, then the exempt ones
    suggestions: Tuple[Suggestion, ...] = ()

    def finding(self, id: str) -> Optional[Finding]:
        """The finding of that id."""
        return next((finding for finding in self.findings if finding.id == id), None)


def facts(**values: Value) -> Tuple[Fact, ...]:
    """Facts by name; ``__`` stands for a dot. What is not known is left out."""
    return tuple(Fact(name.replace("__", "."), value) for name, value in values.items() if value is not None)

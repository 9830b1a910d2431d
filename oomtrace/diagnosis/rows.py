"""What a diagnosis consists of: plain data, and its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Optional

from oomtrace import __version__

SCHEMA = "oomtrace-check/1"
OK, INFO, DEGRADED, IMPOSSIBLE = "ok", "info", "degraded", "impossible"
_STATUS = {OK: 0, INFO: 0, DEGRADED: 1, IMPOSSIBLE: 2}


@dataclass(frozen=True)
class CheckRow:
    """One thing that matters: its state, what was found, and what to know or to do where it is not ok."""

    name: str
    state: str
    found: str
    hint: Optional[str] = None


@dataclass(frozen=True)
class ProbeRow:
    """One probe: under which of its names the kernel has it (None: none), and whether it could be entered."""

    program: str
    symbol: Optional[str]
    state: str
    reason: Optional[str] = None
    loses: Optional[str] = None


@dataclass(frozen=True)
class Diagnosis:
    """All that was found."""

    rows: tuple[CheckRow, ...]
    probes: tuple[ProbeRow, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_status(self) -> int:
        """0 all works, 1 with losses, 2 nothing."""
        states = [row.state for row in self.rows] + [probe.state for probe in self.probes]
        return max(map(_STATUS.__getitem__, states), default=0)

    @property
    def state(self) -> str:
        """The verdict as a word."""
        return (OK, DEGRADED, IMPOSSIBLE)[self.exit_status]

    def to_plain(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        return {
            "schema": SCHEMA,
            "oomtrace": __version__,
            "state": self.state,
            "facts": self.facts,
            "checks": [asdict(row) for row in self.rows],
            "probes": [asdict(probe) for probe in self.probes],
        }


def mib(count_bytes: int) -> str:
    """A size for people."""
    return f"{count_bytes / (1 << 20):.1f} MiB"


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""

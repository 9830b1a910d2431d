"""A reproduction as data: what a YAML file describes. Knobs carry the kernel's own names, units are in the names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional, Union

Scalar = Union[int, float, str, bool]

# In place of a confidence: there is no such finding.
ABSENT = "absent"

# Ends that a process may be expected to have, besides an exit status.
KILLED = "killed"
ANY_END = "any"
FAILED = "failed"


@dataclass(frozen=True)
class MachineNeeds:
    """What the machine must be or have. Without it the reproduction is skipped, with the reason."""

    cgroup: tuple[int, ...] = (1, 2)  # versions of the memory controller that it can be run with
    memory_bytes: Optional[int] = None  # RAM for which the sizes were chosen
    swap_bytes: int = 0  # 0: runs without swap
    numa_nodes: int = 1
    cpus: Optional[int] = None
    boot: str = ""  # words of the kernel command line
    not_on: Mapping[str, str] = field(default_factory=dict)  # kernel "6.12" → why it cannot have this


@dataclass(frozen=True)
class Cgroup:
    """A cgroup to make, with what is written to its files, by their cgroup v2 names where there is one."""

    path: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkStep:
    """One thing that a process does: the name of a workload and its arguments."""

    kind: str
    arguments: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Forked:
    """A process to fork. It starts when all those before it are ready and ``delay_seconds`` have passed."""

    name: str  # its comm
    steps: tuple[WorkStep, ...]
    cgroup: str = "/"
    uid: int = 0
    oom_score_adj: int = 0
    count: int = 1
    times: int = 1  # started again when it has ended, until it has run so often
    delay_seconds: float = 0.0
    ends: Optional[Union[str, int]] = None  # "killed", "failed", "any", an exit status; None: it is not waited for


@dataclass(frozen=True)
class Said:
    """What an explanation says in a finding. What is empty is not asked for."""

    confidence: str  # of oomtrace.why, or ABSENT; "certain or likely": kernels differ
    reasons: tuple[str, ...] = ()  # each must be stated; "at_limit or no_room": one of these
    facts: Mapping[str, str] = field(default_factory=dict)  # name → regular expression for the whole of its text
    words: str = ""  # regular expression for the sentence or the interpretation


@dataclass(frozen=True)
class Expected:
    """A finding as it must come of the live event, and of the kernel's log alone, which cannot know everything."""

    live: Said
    log: Said


@dataclass(frozen=True)
class Expect:
    """What must come of it. None: not checked."""

    events: Optional[int] = None  # OOMs
    min_events: Optional[int] = None
    victims: tuple[str, ...] = ()  # comms of the killed, in order of their kills, as a prefix of all kills
    kills: Optional[int] = None
    min_kills: Optional[int] = None
    report: tuple[str, ...] = ()  # regular expressions, each of which must match a line of a report
    printed: Optional[bool] = None  # whether the kernel prints the reports
    min_waits: Optional[int] = None  # beginnings and ends of waits, where OOM killing is disabled
    min_failures: Optional[int] = None  # charges that fail, and nobody is killed
    min_tasks: Optional[int] = None  # rows of the longest task table
    why: Mapping[str, Expected] = field(default_factory=dict)  # by the findings' ids; one event must have all of them


@dataclass(frozen=True)
class Scenario:
    """A whole reproduction."""

    name: str
    about: str
    processes: tuple[Forked, ...]
    item: Optional[int] = None  # its number in the project's list of OOM kinds
    needs: MachineNeeds = MachineNeeds()
    dangerous: str = ""  # why it endangers the machine it runs on; empty if it does not
    timeout_seconds: float = 30.0
    sysctls: Mapping[str, str] = field(default_factory=dict)
    cgroups: tuple[Cgroup, ...] = ()
    expect: Expect = Expect()

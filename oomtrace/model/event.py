"""One OOM as data, however it became known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from .code import Code
from .killed import Killed
from .origin import Origin
from .report import Report
from .trace import Trace
from .witness import Witness


@dataclass(frozen=True)
class OomEvent:
    """One OOM from the decision that there is one to the kill, as far as the source tells, in groups by who knows it.

    Who reads one group need not know the others.
    """

    kind: Optional[str] = None  # "memcg", "global", "cpuset", "mempolicy", "sysrq"; "killed": no OOM
    report: Report = field(default_factory=Report)
    trace: Trace = field(default_factory=Trace)
    origin: Origin = field(default_factory=Origin)
    code: Optional[Code] = None  # None: stacks of processes were not taken
    witness: Optional[Witness] = None  # None: nobody looked
    killed: Optional[Killed] = None  # processes that another killed; the kernel's OOM killer had no part in it

    @property
    def is_oom(self) -> bool:
        """False for what a trace reports besides: a task that waits, a charge that fails, a kill by somebody else."""
        trace = self.trace
        return trace.wait is None and trace.failure is None and trace.throttle is None and self.killed is None

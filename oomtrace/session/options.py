"""What a live trace is asked to watch. Imports nothing: a command forks before it loads what a trace needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class TraceOptions:
    """How a trace is to run; as the options of ``oomtrace trace`` are called."""

    charges: str = "batch"
    """One of kernel.probes.CHARGES: how the charges before an OOM are watched."""
    kills: str = "off"
    """One of kernel.probes.KILLS, or KILLS_OF_COMMAND: which kills by others than the OOM killer are events."""
    stacks: str = "off"
    """Whose charges are sampled, with where in its code the process is: one of kernel.probes.STACKS, or "chosen": those
    in a cgroup that is named later (LiveTrace.sample)."""
    stack_memory: bool = False
    """Whether captures keep the copies of processes' stacks."""
    witness: bool = True
    """Whether anybody looks at processes and containers."""
    cmdline: bool = True
    """Whether command lines are looked at, too."""
    buffer_bytes: Optional[int] = None
    """For the records of each CPU; None: by the number of CPUs."""

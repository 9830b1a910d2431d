"""The smallest memory limit under which a command still succeeds, found by bisection.

What a larger limit allows, a smaller one may not: a command that succeeds under a limit is taken to succeed under any
larger one. Each trial is a run of its own, in a memcg of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

# Limits are multiples of this: the kernel rounds them to pages, of which the largest have 64 KiB.
GRAIN_BYTES = 64 << 10
# When two limits are this near, one that works and one that does not, there is nothing more to find out.
_NEAR_BYTES, _NEAR_SHARE = 256 << 10, 64
# A limit at which the command takes hardly longer than at the largest one. Two runs may differ by half a second anyway,
# and on a busy machine by more: who has hardly waited for memory is not slow for want of it.
_UNHURRIED, _CLOCK_S = 1.1, 0.5
_WAITED_SHARE = 0.1


@dataclass(frozen=True)
class Trial:
    """A run of the command under a limit."""

    limit_bytes: int
    seconds: float
    status: int  # exit status, 128 + N for signal N
    oom_kills: int  # processes that the OOM killer took, by the memcg's own count
    stopped: bool = False  # it took too long, and was ended
    waited_s: Optional[float] = None  # how long some task of it waited for memory (PSI)

    @property
    def succeeded(self) -> bool:
        """The command ended well, and nothing of it was killed."""
        return self.status == 0 and not self.oom_kills and not self.stopped

    @property
    def has_not_waited(self) -> bool:
        """Memory was not what it was slow for, as far as the kernel tells."""
        return self.waited_s is not None and self.waited_s <= _WAITED_SHARE * self.seconds


@dataclass(frozen=True)
class Fit:
    """All trials, in the order in which they were made: the one with the largest limit is the first."""

    trials: tuple[Trial, ...]

    @property
    def smallest(self) -> Optional[Trial]:
        """The smallest limit that was enough, None if none was."""
        return min((trial for trial in self.trials if trial.succeeded), key=_limit, default=None)

    @property
    def too_small(self) -> Optional[Trial]:
        """The largest limit that was not enough, None if all were."""
        return max((trial for trial in self.trials if not trial.succeeded), key=_limit, default=None)

    @property
    def unhurried(self) -> Optional[Trial]:
        """The smallest limit at which the command took hardly longer than at the largest one."""
        bound_s = self.trials[0].seconds * _UNHURRIED + _CLOCK_S
        able = (trial for trial in self.trials if trial.seconds <= bound_s or trial.has_not_waited)
        return min((trial for trial in able if trial.succeeded), key=_limit, default=None)


def find(attempt: Callable[[int, Optional[float]], Trial], low_bytes: int, high_bytes: int) -> Fit:
    """Try limits between two. ``attempt`` takes a limit in bytes and the seconds after which the run is stopped, None
    for none; that is ten times what the largest limit took, and ten seconds: a command that has much too little memory
    makes hardly any progress. A run that was stopped, but had not waited for memory, is made once more."""
    low, high = _rounded(low_bytes), _rounded(high_bytes)
    trials = [attempt(high, None)]
    if not trials[0].succeeded or low >= high:
        return Fit(tuple(trials))
    bound_s = 10 * trials[0].seconds + 10

    def bounded(limit_bytes: int) -> Trial:
        trial = attempt(limit_bytes, bound_s)
        if trial.stopped and trial.has_not_waited:  # the machine stood still: that says nothing of the limit
            trial = attempt(limit_bytes, bound_s)
        return trial

    trials.append(bounded(low))
    if trials[1].succeeded:
        return Fit(tuple(trials))
    while high - low > max(_NEAR_BYTES, high // _NEAR_SHARE):
        middle = _rounded((low + high) // 2)
        trials.append(bounded(middle))
        low, high = (low, middle) if trials[-1].succeeded else (middle, high)
    return Fit(tuple(trials))


def _rounded(size_bytes: int) -> int:
    return max(GRAIN_BYTES, size_bytes // GRAIN_BYTES * GRAIN_BYTES)


def _limit(trial: Trial) -> int:
    return trial.limit_bytes

"""What every script has: being ready, sleeping, ending."""

from __future__ import annotations

import os
import time

from . import FOR_EVER, Seconds, Self, workload


@workload
def ready(me: Self) -> None:
    """The next process may start. Without this step a process is ready when it begins."""
    me.ready()


@workload
def sleep(me: Self, seconds: Seconds = FOR_EVER) -> None:
    """Sleep, by default until killed."""
    time.sleep(seconds)


@workload
def exit_(me: Self, status: int = 0) -> None:
    """End without cleaning up."""
    os._exit(status)


@workload
def realtime(me: Self, priority: int = 1) -> None:
    """Become a real-time process (SCHED_FIFO): it runs before all others, and may have more dirty pages than they may
    (mm/page-writeback.c, domain_dirty_limits)."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))

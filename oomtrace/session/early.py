"""What a trace does whatever its options are, done while the command line is still loaded.

To load Python's modules keeps one CPU busy for a quarter of a start. Meanwhile another one can check the programs (the
kernel's verifier) and, on the first start on a kernel, read its symbols and types. Nothing is attached before the
options are known.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from typing import Callable, Optional

from oomtrace.errors import OomtraceError
from oomtrace.kernel import machine, privileges, probes
from oomtrace.live.tracer import Tracer
from oomtrace.programs import keep
from oomtrace.programs.plan import Plan
from oomtrace.session.options import TraceOptions

_DEFAULTS = TraceOptions()


class Early:
    """A thread that loads the programs of a trace without options, until it is asked for what it has. What goes wrong
    here is met again later, and told then."""

    def __init__(self) -> None:
        self._plan: Optional[Plan] = None
        self._base = 0
        self._tracer: Optional[Tracer] = None
        self._said: list[str] = []
        self._wanted = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        with suppress(OomtraceError):
            self._plan, self._base = keep.at_hand(self._said.append)
            if self._plan is not None:
                addresses = self._plan.at(self._base)
                self._tracer = Tracer(self._plan.image, addresses, machine.online_cpus())
                targets = probes.chosen(self._plan.targets_at(self._base), _DEFAULTS.charges, _DEFAULTS.kills)
                self._tracer.load_ahead(targets, lambda: not self._wanted)

    def plan(self, say: Callable[[str], None]) -> Optional[tuple[Plan, int]]:
        """The plan, if there is one, and where the kernel's ``_stext`` is. Ends the thread."""
        self._wanted = True
        self._thread.join()
        for line in self._said:
            say(line)
        return (self._plan, self._base) if self._plan is not None else None

    def tracer(self, options: TraceOptions) -> Optional[Tracer]:
        """With what is loaded so far, if it was made as these options want it."""
        made, self._tracer = self._tracer, None
        if made is not None and (options.buffer_bytes is not None or options.stacks != "off"):
            made.close()
            return None
        return made


_begun: Optional[Early] = None


def begin() -> None:
    """For ``taken``. In vain where nobody may trace."""
    global _begun
    if sys.platform == "linux":
        with suppress(OomtraceError):
            privileges.require()
            _begun = Early()


def taken() -> Optional[Early]:
    """What was begun, once."""
    global _begun
    begun, _begun = _begun, None
    return begun

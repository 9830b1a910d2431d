"""A command that is run for each OOM: the event as JSON on its standard input, the essentials in its environment.

One at a time, by a process beside the trace.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from oomtrace.errors import EXIT_USAGE, OomtraceError
from oomtrace.tell import Option

if TYPE_CHECKING:
    from oomtrace.model import OomEvent
    from oomtrace.tell.common.beside import Inbox
    from oomtrace.tell.common.runner import RunLimits

OPTION = Option(
    "--exec",
    "Run COMMAND for each OOM: JSON on its standard input, OOMTRACE_VICTIM and others in its environment. No shell.",
    "COMMAND",
)


class Exec:
    """The command, and the process that runs it."""

    name = "--exec"

    def __init__(self, words: list[str], limits: Optional[RunLimits] = None) -> None:
        from oomtrace.tell.common import beside, runner

        bounds = limits or runner.RunLimits()

        def work(inbox: Inbox) -> None:
            for environment, document in inbox:
                problem = runner.run(words, environment, document, bounds)
                if problem is not None:
                    inbox.failed(problem)

        self.beside = beside.Beside(self.name, bounds.seconds, work)

    def tell(self, event: OomEvent, capture: Optional[Path]) -> None:
        """Hand the event over. Raises OSError where that cannot be done."""
        from oomtrace import output
        from oomtrace.tell.common.essentials import essentials

        document = io.StringIO()
        output.writer("jsonl", document).event(event)
        self.beside.hand(essentials(event, capture), document.getvalue().encode())

    def close(self) -> None:
        """Wait for what has been handed over, as long as one command may take. Raises OSError if commands failed, or
        events were dropped."""
        self.beside.close()


def opened(value: object) -> Exec:
    """The channel for ``--exec COMMAND``. Raises OomtraceError if it is no command."""
    import shlex
    import shutil

    try:
        words = shlex.split(str(value))
    except ValueError as error:
        raise OomtraceError(f"--exec {value}: {error}", None, EXIT_USAGE) from error
    if not words or shutil.which(words[0]) is None:
        hint = "a pipeline needs a shell: --exec \"sh -c '… | …'\""
        raise OomtraceError(f"--exec: there is no command {words[0] if words else ''}".rstrip(), hint, EXIT_USAGE)
    return Exec(words)

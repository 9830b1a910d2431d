"""Where a command's events go: standard output in a format, and capture files."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, Callable, Optional, TextIO

from oomtrace import output
from oomtrace.cli.relay import Relay, relayed
from oomtrace.cli.shelf import Shelf
from oomtrace.errors import EXIT_FAILURE, OomtraceError
from oomtrace.model import OomEvent
from oomtrace.output import journald
from oomtrace.output.terminal import escaped
from oomtrace.receiving import Traced
from oomtrace.verify import KernelLog
from oomtrace.wire import capture


class Sink:
    """Takes events as they come. ``status`` is what the command should exit with so far."""

    def __init__(
        self,
        stream: TextIO,
        form: str,
        quiet: bool,
        target: Optional[str],
        warn: Callable[[str], None],
        log: Optional[KernelLog] = None,
        color: str = "auto",
        shelf: Optional[Shelf] = None,
        journal: bool = False,
    ) -> None:
        colour = {"auto": None, "always": True, "never": False}[color]
        self._relay: Any = None if quiet else relayed(stream, warn)
        self._writer = output.writer(form, self._relay, colour) if self._relay else None
        self._log = log
        self._target = target
        self._warn = warn
        self._shelf = shelf
        self._journal = journal
        self._taken = 0
        self.status = 0

    def take(self, traced: Traced) -> None:
        """Write the event."""
        self._taken += 1
        saved = None if self._target is None else self._save(traced)
        if self._journal:
            self._enter(traced.event, saved)
        if self._writer is not None:
            self._writer.event(traced.event)
        if self._log is not None:
            self._verify(self._log, traced.event)

    def _verify(self, log: KernelLog, event: OomEvent) -> None:
        found = log.check(event)
        if not found.kernel_lines:
            why = event.unprinted_reason or "not found"
            self._warn(f"oomtrace: verify: the kernel's log has no report of this OOM ({why})")
            return
        self._warn(f"oomtrace: verify: {found.identical} of {found.kernel_lines} lines identical to the kernel's log")
        for theirs, ours in found.differing:
            self._warn(f"  kernel: {escaped(theirs) if theirs is not None else '(no such line)'}")
            self._warn(f"  ours:   {escaped(ours) if ours is not None else '(no such line)'}")
        if not found.exact:
            self.status = EXIT_FAILURE

    def _save(self, traced: Traced) -> Optional[Path]:
        path = capture_path(str(self._target), traced.event, self._taken)
        try:
            capture.save(path, traced.capture())
            if self._shelf is not None:
                self._shelf.tidy(path)
        except OSError as error:
            if self._taken == 1:
                raise OomtraceError(f"cannot write {path}: {error.strerror}") from error
            self._warn(f"oomtrace: cannot write {path}: {error.strerror}")
            return None
        return path

    def _enter(self, event: OomEvent, saved: Optional[Path]) -> None:
        try:
            journald.send(journald.fields(event, saved.absolute() if saved else None))
        except OSError as error:
            self._warn(f"oomtrace: cannot write to the journal: {error.strerror}")

    def close(self) -> None:
        """Finish the output (closing brackets, summaries)."""
        if self._writer is not None:
            self._writer.finish()
        if isinstance(self._relay, Relay):
            self._relay.close()


def capture_path(target: str, event: OomEvent, number: int) -> Path:
    """Where a capture goes: the file itself (later ones with a number), or a name of its own in a folder.

    Names of memcgs and processes are reduced to letters and digits, so that none can lead out of the folder.
    """
    path = Path(target)
    if not target.endswith("/") and not path.is_dir():
        return path if number == 1 else path.with_name(f"{path.stem}.{number}{path.suffix}")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    where = event.memcg.path if event.memcg and event.memcg.path else event.kind or "oom"
    victim = event.victim.comm if event.victim else ""
    words = [time.strftime("%Y%m%dT%H%M%S"), str(event.oom_id or number), where, victim]
    plain = (re.sub(r"[^A-Za-z0-9]+", "_", word).strip("_")[:64] for word in words)
    return path / ("-".join(filter(None, plain)) + ".oom")

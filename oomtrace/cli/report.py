"""Where a command's events go: standard output in a format, and capture files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, TextIO, Union

from oomtrace import output
from oomtrace.cli.disk import Disk
from oomtrace.cli.relay import Relay, relayed
from oomtrace.cli.shelf import Shelf
from oomtrace.cli.target import OutputTarget
from oomtrace.errors import EXIT_FAILURE, OomtraceError
from oomtrace.model import OomEvent
from oomtrace.output.terminal import escaped
from oomtrace.session.receive import Traced
from oomtrace.tell import Channel
from oomtrace.wire import capture

if TYPE_CHECKING:  # few need them, and a trace's memory is that of the machine that is short of it
    from oomtrace.cli.pagefile import PageFile
    from oomtrace.cli.stacksfile import StacksFile
    from oomtrace.session.verify import KernelLog


@dataclass(frozen=True)
class Outlets:
    """The ways that events go. ``form``: the format of what is printed, unless ``quiet``; ``colour`` None: the terminal
    decides."""

    form: str
    quiet: bool = False
    colour: Optional[bool] = None
    target: Optional[OutputTarget] = None
    shelf: Optional[Shelf] = None
    channels: Sequence[Channel] = ()


class Sink:
    """Takes events as they come. ``status`` is what the command should exit with so far."""

    def __init__(
        self, stream: TextIO, outlets: Outlets, warn: Callable[[str], None], log: Optional[KernelLog] = None
    ) -> None:
        target = outlets.target
        self._relay: Any = None if outlets.quiet else relayed(stream, warn)
        self._writer = output.writer(outlets.form, self._relay, outlets.colour) if self._relay else None
        self._log = log
        self._target = target if target is None or target.form is None else None
        self._page = _whole(target)
        self._warn = warn
        self._shelf = outlets.shelf
        self._channels = outlets.channels
        self._taken = 0
        self._disk = Disk()
        self._early: dict[Optional[int], Path] = {}  # captures of what may end in a panic, by oom_id
        self._unable: set[str] = set()  # channels that could not be written to the last time
        self.status = 0

    def killed(self, event: OomEvent) -> None:
        """Write what there is of an event that is taken later."""
        if self._writer is not None:
            self._writer.begin(event)

    def doomed(self, traced: Traced) -> None:
        """Write what is known of an event at which the kernel may panic, once more as more is known. If it does not,
        the event is taken later, and its capture has the place of this one."""
        if self._target is None:
            return
        id = traced.event.trace.oom_id
        try:
            path = self._early.get(id) or self._target.path(traced.event, self._taken + 1)
            capture.save(path, traced.capture())
        except OSError:  # what is left of it is the kernel's log
            return
        self._early[id] = path
        self._disk.now(path)

    def take(self, traced: Traced) -> None:
        """Write the event."""
        self._taken += 1
        saved = None if self._target is None else self._save(self._target, traced)
        if self._page is not None:
            self._draw(self._page.take, traced.event)
        for channel in self._channels:
            self._tell(channel, traced.event, saved)
        if self._writer is not None:
            self._writer.event(traced.event)
        if self._log is not None:
            self._verify(self._log, traced.event)

    def _verify(self, log: KernelLog, event: OomEvent) -> None:
        if not event.is_oom:
            return  # the kernel says nothing of a wait or of a charge that failed
        found = log.check(event)
        if not found.kernel_lines:
            why = event.trace.unprinted_reason or "not found"
            self._warn(f"oomtrace: verify: the kernel's log has no report of this OOM ({why})")
            self.status = self.status if event.trace.unprinted_reason else EXIT_FAILURE
            return
        self._warn(f"oomtrace: verify: {found.identical} of {found.kernel_lines} lines identical to the kernel's log")
        for theirs, ours in found.differing:
            self._warn(f"  kernel: {escaped(theirs) if theirs is not None else '(no such line)'}")
            self._warn(f"  ours:   {escaped(ours) if ours is not None else '(no such line)'}")
        if not found.exact:
            self.status = EXIT_FAILURE

    def _save(self, target: OutputTarget, traced: Traced) -> Optional[Path]:
        """Where the capture is. One that cannot be written is told of; the event's other ways remain, and the trace."""
        try:
            early = self._early.pop(traced.event.trace.oom_id, None)
            path = early or target.path(traced.event, self._taken)
            capture.save(path, traced.capture())
            self._disk.soon(path)
            if self._shelf is not None:
                self._shelf.tidy(path)
        except OSError as error:
            self._failed(f"cannot write the capture {error.filename or ''}".rstrip() + f": {error.strerror}")
            return None
        return path

    def _draw(self, act: Callable[..., None], *events: OomEvent) -> None:
        """The file of all. One that cannot be written is told of, as a capture is."""
        try:
            act(*events)
        except OSError as error:
            self._failed(f"cannot write the file of -o: {error.strerror}")
        except OomtraceError as error:
            self._failed(error.message)

    def _tell(self, channel: Channel, event: OomEvent, saved: Optional[Path]) -> None:
        """One that fails again and again is warned of once."""
        try:
            channel.tell(event, saved)
        except OSError as error:
            if channel.name not in self._unable:
                self._failed(f"cannot write to {channel.name}: {error.strerror or error}")
            self._unable.add(channel.name)
        else:
            self._unable.discard(channel.name)

    def _failed(self, what: str) -> None:
        self._warn(f"oomtrace: {what}")
        self.status = EXIT_FAILURE

    def close(self) -> None:
        """Finish the output (closing brackets, summaries)."""
        if self._page is not None:
            self._draw(self._page.write)
        for channel in self._channels:
            try:
                channel.close()
            except OSError as error:
                self._failed(f"{channel.name}: {error.strerror or error}")
        if self._writer is not None:
            self._writer.finish()
        if isinstance(self._relay, Relay):
            self._relay.close()
            self.status = EXIT_FAILURE if self._relay.dropped else self.status


def _whole(target: Optional[OutputTarget]) -> Union[PageFile, StacksFile, None]:
    if target is None or target.form is None:
        return None
    if target.form == "html":
        from oomtrace.cli.pagefile import PageFile

        return PageFile(target.whole)
    from oomtrace.cli.stacksfile import StacksFile

    return StacksFile(target.whole, target.form)

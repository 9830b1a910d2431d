"""Who else hears of an OOM, beside standard output and captures: one module a channel.

A new channel is a new module here, and nothing else: ``oomtrace trace`` takes its option, tells it of each OOM, and
says what fails. The module has

- ``OPTION``, the option that asks for the channel, and
- ``opened(value)``, which takes the option's value and returns the channel. It raises OomtraceError for a value that
  cannot be used: before the trace starts.

What a channel needs to tell of an event (``why``, for one) it imports when it tells: its option must not slow down the
start of a trace. ``common/`` holds what several have in common.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Optional, Protocol

if TYPE_CHECKING:
    from oomtrace.model import OomEvent


@dataclass(frozen=True)
class Option:
    """The option of a channel: a flag, or where there is a ``metavar``, one with a value."""

    flag: str  # "--journal"
    help: str
    metavar: Optional[str] = None


class Channel(Protocol):
    """Somebody who hears of OOMs."""

    name: str  # "the journal": what is said where it cannot be reached

    def tell(self, event: OomEvent, capture: Optional[Path]) -> None:
        """Tell of an event, whose capture is at ``capture``. Raises OSError where that fails.

        The trace waits meanwhile, and records of other OOMs with it: at most a second, once.
        """

    def close(self) -> None:
        """The trace is over. Raises OSError if something could not be told."""


def modules() -> dict[str, ModuleType]:
    """The channels' modules by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}


def count_looks(channels: Iterable[Channel], looks: Callable[[], int]) -> None:
    """Let the channels that count them know how many looks at memory cgroups near their limit there were so far."""
    for channel in channels:
        if hasattr(channel, "looks"):
            channel.looks = looks


def opened(wanted: Mapping[str, object]) -> list[Channel]:
    """The channels that are asked for: the value of each one's option by its module's name, None or False if it was not
    given. Raises OomtraceError."""
    return [module.opened(wanted[name]) for name, module in modules().items() if wanted.get(name) not in (None, False)]

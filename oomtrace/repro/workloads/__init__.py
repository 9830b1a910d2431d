"""What processes of a reproduction do: small functions that take memory, each by a way of its own.

A workload's parameters are its YAML schema: the annotations say how each is written, those without a default must be
given, and a single value stands for the first. An OSError ends the process with the error's number as exit status.
"""

from __future__ import annotations

import errno
import importlib
import inspect
import os
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Callable, NewType, get_type_hints

Bytes = NewType("Bytes", int)
Seconds = NewType("Seconds", float)
NO_TIME = Seconds(0)
FOR_EVER = Seconds(1e9)

# Exit status of a process whose workload has a defect.
BROKEN = 254

MODULES = ("anon", "basic", "files", "kmem", "many", "mm", "policy", "triggers")


@dataclass
class Self:
    """What a workload knows of the process that runs it."""

    name: str
    ready_fd: int  # a byte written here says that the process is ready
    file_of: Callable[[str, str], str]  # cgroup and file name → path
    folder: str  # for files, removed at the end
    steps: Iterator[Callable[[], None]] = iter(())  # what is still to do
    kept: list[Any] = field(default_factory=list)  # memory lives as long as the process

    def ready(self) -> None:
        """Say so, once."""
        if self.ready_fd >= 0:
            os.write(self.ready_fd, b"\n")
            os.close(self.ready_fd)
            self.ready_fd = -1

    def run(self) -> None:
        """Take the steps that are left, then end the process; from whichever thread this is called."""
        try:
            for step in self.steps:
                step()
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 1)
        except MemoryError:
            os._exit(errno.ENOMEM)
        except BaseException:
            traceback.print_exc()
            os._exit(BROKEN)


Function = Callable[..., None]
_registry: dict[str, Function] = {}


def workload(function: Function) -> Function:
    """Register a function under its name."""
    _registry[function.__name__.rstrip("_")] = function
    return function


def registry() -> dict[str, Function]:
    """All workloads by name."""
    for name in MODULES:
        importlib.import_module(f"{__name__}.{name}")
    return _registry


@dataclass(frozen=True)
class Parameter:
    """One parameter of a workload."""

    name: str
    kind: Any  # Bytes, Seconds, int, str or bool
    needed: bool


def parameters(function: Function) -> list[Parameter]:
    """A workload's parameters but the first, in order."""
    hints = get_type_hints(function)
    declared = list(inspect.signature(function).parameters.values())[1:]
    return [Parameter(p.name, hints[p.name], p.default is p.empty) for p in declared]

"""Where captures go: a file, or a folder in which each has a name of its own. Or the page of all, or their stacks."""

from __future__ import annotations

import importlib
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from oomtrace.errors import EXIT_USAGE, OomtraceError

if TYPE_CHECKING:
    from oomtrace.model import OomEvent


_WHOLE = {".html": "html", ".folded": "folded", ".pb.gz": "pprof"}  # files of all OOMs, by how they end: formats


class OutputTarget:
    """What ``-o`` names: ``DIR/`` or a folder that is there, otherwise a file; later captures get a number.

    ``form``: the format of the one file of all OOMs, if it is not for captures.
    """

    def __init__(self, name: str) -> None:
        self._path = Path(name)
        self._is_folder = name.endswith("/") or self._path.is_dir()
        whole = None if self._is_folder else next((form for end, form in _WHOLE.items() if name.endswith(end)), None)
        self.form: Optional[str] = whole

    def prepare(self) -> None:
        """Make the folder, and see that something can be written: before an OOM comes. Raises OSError; OomtraceError
        where a page cannot be made."""
        if self.form == "html":
            importlib.import_module("oomtrace.page")
        if self._is_folder:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.listdir(self._path if self._is_folder else self._path.parent)  # raises what is wrong with it
        if not os.access(self._path if self._path.exists() else self._path.parent, os.W_OK):
            raise PermissionError(0, "it cannot be written to")

    @property
    def whole(self) -> Path:
        """The one file of all OOMs."""
        return self._path

    def path(self, event: "OomEvent", number: int) -> Path:
        """Where the capture of the number-th event goes. Raises OSError where the folder cannot be made again.

        Names of memcgs and processes are reduced to letters and digits, so that none can lead out of the folder.
        """
        if not self._is_folder:
            later = self._path.with_name(f"{self._path.stem}.{number}{self._path.suffix}")
            return self._path if number == 1 else later
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        where = event.report.memcg.path if event.report.memcg and event.report.memcg.path else event.kind or "oom"
        victim = event.report.victim.comm if event.report.victim else ""
        words = [time.strftime("%Y%m%dT%H%M%S"), str(event.trace.oom_id or number), where, victim]
        plain = (re.sub(r"[^A-Za-z0-9]+", "_", word).strip("_")[:64] for word in words)
        return self._path / ("-".join(filter(None, plain)) + ".oom")


def target(name: Optional[str]) -> Optional[OutputTarget]:
    """The target of ``-o``, found to be one that can be written to. Raises OomtraceError."""
    if name is None:
        return None
    if not name:
        raise OomtraceError("-o: the name is empty", "a file, or a folder with a / at its end", EXIT_USAGE)
    found = OutputTarget(name)
    try:
        found.prepare()
    except OSError as error:
        raise OomtraceError(f"cannot write to {name}: {error.strerror}") from error
    return found

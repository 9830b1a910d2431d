"""Reading the state of container runtimes: JSON beneath this machine's root."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Optional

from oomtrace.model import Aspect, Missed

from ..meter import Meter
from ..tree import Foreign, Tree

_STATE = 1 << 20  # CRI-O's list of hundreds of containers is the largest of these files


class State:
    """Files of runtimes, each read within the budget. What cannot be read is None."""

    def __init__(self, tree: Tree, meter: Meter) -> None:
        self._tree = tree
        self._meter = meter

    def bytes(self, path: str, limit: int = _STATE) -> Optional[bytes]:
        """A file, None if it is not there."""
        try:
            data = self._tree.read(path, limit)
        except Foreign:
            self._meter.cut(Aspect.CONTAINER, Missed.FOREIGN, path)
            return None
        except PermissionError:
            self._meter.cut(Aspect.CONTAINER, Missed.DENIED, path)
            return None
        except OSError:
            return None
        self._meter.bytes += len(data)
        return data

    def json(self, path: str) -> Any:
        """What a file of JSON has in it, None if it is not there or damaged."""
        data = self.bytes(path)
        if data is None:
            return None
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            self._meter.cut(Aspect.CONTAINER, Missed.DAMAGED, path)
            return None

    def open(self, path: str) -> Optional[int]:
        """A descriptor of a file, None if it cannot be opened."""
        with suppress(OSError):
            return self._tree.open(path)
        return None

    def names(self, path: str) -> list[str]:
        """What is in a folder; nothing if it is not there."""
        with suppress(OSError):
            return self._tree.names(path)
        return []


def text_of(mapping: Any, *names: str) -> Optional[str]:
    """The first of these members that is text and not empty."""
    if isinstance(mapping, Mapping):
        for name in names:
            value = mapping.get(name)
            if isinstance(value, str) and value:
                return value
    return None


def member(mapping: Any, name: str) -> Any:
    """A member of what may be an object, else None."""
    return mapping.get(name) if isinstance(mapping, Mapping) else None

"""Run a measurement in a guest; it answers with JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from .. import boot
from ..errors import VmError
from ..spec import RunSpec


def measure(spec: RunSpec, command: str) -> Any:
    """What the command printed. Raises VmError if it failed."""
    result = boot.run(spec, f"cd tests/guest && python3 {command}", stderr=_echo)
    boot.check(result)
    if result.status:
        raise VmError(f"{command} failed on {spec.kernel}", result.stderr.decode("utf-8", "replace").strip())
    return json.loads(result.stdout)


def _echo(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.flush()


def table(head: str, rows: list[list[str]]) -> str:
    """A markdown table; the head's columns are separated by |."""
    columns = head.split("|")
    lines = [head, "|".join("---" for _ in columns)] + ["|".join(row) for row in rows]
    return "".join(f"|{line}|\n" for line in lines)

"""What works on this machine and what does not: ``oomtrace check``. Raises nothing, whatever the machine is."""

from __future__ import annotations

import platform
import sys
from typing import Any, Callable, Optional

from oomtrace.diagnosis.rows import DEGRADED, IMPOSSIBLE, CheckRow, Diagnosis, ProbeRow
from oomtrace.errors import OomtraceError

__all__ = ["Diagnosis", "ProbeRow", "CheckRow", "diagnose"]


def diagnose() -> Diagnosis:
    """Look at everything."""
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "distribution": _distribution(),
    }
    if not sys.platform.startswith("linux"):
        found = f"{platform.system() or sys.platform} {platform.release()}"
        hint = "tracing needs Linux; oomtrace read explains logs and captures here, too"
        return Diagnosis((CheckRow("system", IMPOSSIBLE, found, hint),), (), facts)
    from oomtrace.diagnosis import probing, settings  # late: what these import needs Linux

    rows = [_guarded(name, look, facts) for name, look in settings.LOOKS]
    hopeless = any(row.state == IMPOSSIBLE for row in rows)
    try:
        probes, more = probing.probes(facts, hopeless)
    except Exception as error:
        probes, more = [], [_failed("probes", error)]
    return Diagnosis((*rows, *more), tuple(probes), facts)


def _guarded(name: str, look: Callable[[dict[str, Any]], CheckRow], facts: dict[str, Any]) -> CheckRow:
    try:
        return look(facts)
    except OomtraceError as error:
        return CheckRow(name, IMPOSSIBLE, error.message, error.hint)
    except Exception as error:
        return _failed(name, error)


def _failed(name: str, error: Exception) -> CheckRow:
    """A check that fails itself must not hide what the others found."""
    return CheckRow(name, DEGRADED, f"the check failed: {type(error).__name__}: {error}", "please report this")


def _distribution() -> Optional[str]:
    paths: tuple[str, ...] = ("/etc/os-release", "/usr/lib/os-release")
    lines: list[str] = []
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines += file.read().splitlines()
        except OSError:
            continue
    names = [line.partition("=")[2].strip("\"' ") for line in lines if line.startswith("PRETTY_NAME=")]
    return names[0] if names else None

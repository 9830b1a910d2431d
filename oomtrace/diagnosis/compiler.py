"""bcc: whether it is there, whether it is the right one, and what is known against its version."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Optional

from oomtrace.diagnosis.rows import IMPOSSIBLE, INFO, OK, CheckRow
from oomtrace.kernel.origin import BTF, btf_path, compile_asked, origin
from oomtrace.programs import prebuilt

# Those of the distributions whose kernels the tests boot.
_OLDEST, _NEWEST = (0, 18), (0, 31)
_SECONDS = 60
# -I: else Python would also import what lies in the current folder. It looks where this process would look.
_ISOLATED = "-I"
_ASK = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
import bcc
try:
    from bcc.version import __version__ as version
except ImportError:
    version = None
print(json.dumps({"version": version, "path": bcc.__file__, "is_bpf": hasattr(bcc, "BPF")}))
"""


def look(facts: dict[str, Any]) -> CheckRow:
    """What there is of it, and whether it is needed."""
    found = _asked(facts)
    needed = _needed()
    if found.state != IMPOSSIBLE:
        return found
    if needed is None:
        return CheckRow("bcc", INFO, f"none that works ({found.found}); it is not needed")
    return CheckRow("bcc", IMPOSSIBLE, f"{found.found}; it is needed: {needed}", found.hint)


def _needed() -> Optional[str]:
    """Why the programs must be compiled here; None if those that are shipped serve."""
    if compile_asked():
        return "--compile asks for it"
    if origin() != BTF:
        return f"there is no BTF at {btf_path()}"
    try:
        prebuilt.load()
    except prebuilt.Unfit as reason:
        return f"of the programs, {reason}"
    return None


def _asked(facts: dict[str, Any]) -> CheckRow:
    """In a process of its own: an installation may be broken enough to take that with it."""
    install = f"install python3-bpfcc (Debian, Ubuntu) or python3-bcc (Fedora) for {sys.executable}"
    command = [sys.executable, _ISOLATED, "-c", _ASK, json.dumps(sys.path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return CheckRow("bcc", IMPOSSIBLE, f"cannot be asked: {error}", install)
    if done.returncode or not done.stdout.strip():
        reason = (done.stderr.strip().splitlines() or [f"importing it ends with status {done.returncode}"])[-1]
        return CheckRow("bcc", IMPOSSIBLE, reason, f"{install}; PyPI's bcc is another thing")
    about = facts["bcc"] = json.loads(done.stdout.strip().splitlines()[-1])
    if not about["is_bpf"]:
        return CheckRow("bcc", IMPOSSIBLE, f"{about['path']} is not the BPF Compiler Collection",
                   f"pip uninstall bcc; {install}")
    remark = problem(about["version"])
    found = f"{about['version'] or 'of unknown version'}, {about['path']}"
    return CheckRow("bcc", INFO if remark else OK, found, remark)


def problem(version: Optional[str]) -> Optional[str]:
    """What is known against a version of bcc; None: nothing, or it has none that can be read."""
    parts = (version or "").split("+")[0].split(".")[:2]
    if len(parts) < 2 or not all(part.isdigit() for part in parts):
        return None
    numbers = (int(parts[0]), int(parts[1]))
    tested = f"than any that oomtrace is tested with (0.{_OLDEST[1]} to 0.{_NEWEST[1]})"
    if numbers < _OLDEST:
        return f"older {tested}"
    return f"newer {tested}" if numbers > _NEWEST else None

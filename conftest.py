"""Make `vm` and `tests` importable however pytest is started; property tests are not judged by the machine's speed, and
have the same inputs in each run; the end of a run says what was skipped, and why."""

import os
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

_CHECKOUT = Path(__file__).resolve().parent
sys.path.insert(0, str(_CHECKOUT))

# Hundreds of tests start oomtrace as a person does. What Python compiles for one of them serves the next. It stands in
# the usual place: in one of ours, the bytecode of all libraries would be missing.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

with suppress(ImportError):
    from hypothesis import settings

    # A commit is judged by what it changed. OOMTRACE_FUZZ_SECONDS, as in `make test-long`, looks for new inputs.
    settings.register_profile("any machine", deadline=None, derandomize="OOMTRACE_FUZZ_SECONDS" not in os.environ)
    settings.load_profile("any machine")


def pytest_configure(config: Any) -> None:
    """Workers begin to collect at different files: each rewrites and compiles a part, and finds the rest done."""
    worker = getattr(config, "workerinput", None)
    if worker and config.args == ["tests"]:
        files = sorted(map(str, Path("tests").glob("**/test_*.py")))
        begin = len(files) * int(worker["workerid"].strip("gw")) // worker["workercount"]
        config.args[:] = files[begin:] + files[:begin]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: "list[Any]") -> None:
    """Those that take minutes first, so that no core is idle at the end; all workers in one order."""
    items.sort(key=lambda item: (item.get_closest_marker("first") is None, item.nodeid.split("::")[0]))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A line for each reason: nothing is skipped in silence."""
    reasons: "Counter[str]" = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[text.replace("Skipped: ", "")] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"skipped: {count} test{'' if count == 1 else 's'}: {reason}")

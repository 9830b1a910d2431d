"""Scenarios, the guests that they need, and what comes of one on one kernel: a cell of the matrix."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Optional

from . import kernellog, matrix
from .compare import Differing, Tally, compare, without_prefix
from .errors import STATUS_USAGE, VmError
from .kernellog import Report

FOLDER = Path(__file__).resolve().parent / "scenarios"
REPOSITORY = FOLDER.parent.parent
MEMORY = 1 << 30
LOG = "log_buf_len=2M"
_LONG_S = 600
NOT_RUN = "not run"


@dataclass(frozen=True)
class Scenario:
    """What must be known of a scenario to give it a guest."""

    name: str
    item: int
    needs: dict[str, Any] = field(hash=False)
    timeout: float
    verdicts: dict[str, Any] = field(default_factory=dict, hash=False)  # of the log, by findings' ids
    silent: bool = False  # the kernel prints no report
    floods: bool = False  # more kills than the kernel prints reports of: 10 in 5 s, oom_rs in mm/oom_kill.c

    @property
    def path_in_guest(self) -> str:
        """Relative to the checkout."""
        return f"vm/scenarios/{self.name}.yaml"


@dataclass(frozen=True)
class Guest:
    """A machine that several scenarios can share."""

    kernel: str
    cgroup: int
    memory: int = MEMORY
    swap: int = 0
    numa: int = 1
    cpus: int = 2
    append: str = ""


@dataclass
class Cell:
    """One scenario on one kernel with one cgroup version. ``state``: run, lost, not run (yet), or impossible with its
    ``reason``."""

    scenario: str
    item: int
    kernel: str
    cgroup: int
    state: str = "run"
    reason: str = ""
    reports: int = 0
    events: int = 0
    memcg: Tally = field(default_factory=Tally)
    other: Tally = field(default_factory=Tally)
    problems: list[str] = field(default_factory=list)
    programs: str = ""  # "shipped" with oomtrace, or "compiled" in the guest
    day: str = ""  # when it was run, as 2026-11-30

    @property
    def total(self) -> Tally:
        """All reports."""
        total = Tally()
        total.add(self.memcg)
        total.add(self.other)
        return total

    @property
    def perfect(self) -> bool:
        """Nothing differs, and all came as expected."""
        bad = self.total.differing or self.total.structural
        return self.state == "impossible" or not (self.state in ("lost", NOT_RUN) or self.problems or bad)

    @property
    def place(self) -> tuple[str, str, int]:
        """What it is the cell of."""
        return self.scenario, self.kernel, self.cgroup


def names() -> list[str]:
    """All scenarios that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(wanted: Sequence[str]) -> list[Scenario]:
    """The scenarios of these names. oomtrace reads the YAML in a process of its own: nothing of it is imported."""
    for name in wanted:
        if name not in names():
            raise VmError(f"no scenario {name}", f"one of {', '.join(names())}", STATUS_USAGE)
    command = [sys.executable, "-m", "oomtrace", "repro", "--check", "--results", "-"]
    command += [str(FOLDER / f"{name}.yaml") for name in wanted]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise VmError(f"the scenarios cannot be read: {done.stderr.strip()}", "it needs python3-click, python3-yaml")
    return [_scenario(one) for one in map(json.loads, done.stdout.splitlines())]


def _scenario(one: dict[str, Any]) -> Scenario:
    """One line of ``oomtrace repro --check``."""
    expect = one["expect"]
    verdicts = {id: verdict["log"] for id, verdict in expect["why"].items()}
    silent = expect["printed"] is False or expect["events"] == 0
    floods = max(expect[key] or 0 for key in ("kills", "min_kills")) > 10
    return Scenario(
        Path(one["file"]).stem, one["item"] or 0, one["needs"], one["timeout_seconds"], verdicts, silent, floods
    )


def of(scenarios: Iterable[Scenario], kernels: Sequence[str]) -> Iterator[tuple[Scenario, Cell]]:
    """Each scenario on each kernel, with each cgroup version that it is for."""
    for scenario in scenarios:
        for kernel in kernels:
            for version in sorted(scenario.needs["cgroup"], reverse=True):
                cell = Cell(scenario.name, scenario.item, kernel, version)
                if version == 1 and not matrix.find(kernel).cgroup_v1:
                    cell.state, cell.reason = "impossible", "no cgroup v1 memory controller (CONFIG_MEMCG_V1)"
                elif kernel in scenario.needs["not_on"]:
                    cell.state, cell.reason = "impossible", scenario.needs["not_on"][kernel]
                yield scenario, cell


def third(everything: Sequence[tuple[Scenario, Cell]]) -> list[tuple[Scenario, Cell]]:
    """A representative third: each scenario somewhere, each kernel with scenarios of every kind. One that takes many
    minutes is there once."""
    chosen = []
    by_scenario: dict[str, list[tuple[Scenario, Cell]]] = {}
    for scenario, cell in everything:
        if cell.state == "run":
            by_scenario.setdefault(scenario.name, []).append((scenario, cell))
    for row, pairs in enumerate(by_scenario.values()):
        times = 1 if pairs[0][0].timeout > _LONG_S else -(-len(pairs) // 3)
        places = {(row + 3 * step) % len(pairs) for step in range(times)}
        chosen += [pairs[place] for place in sorted(places)]
    return chosen


def guest_for(scenario: Scenario, cell: Cell) -> Guest:
    """The guest that a cell needs."""
    needs = scenario.needs
    return Guest(
        cell.kernel, cell.cgroup, needs["memory_bytes"] or MEMORY, needs["swap_bytes"], needs["numa_nodes"],
        needs["cpus"] or 2, f"{LOG} {needs['boot']}".strip(),
    )


def judge(cell: Cell, result: Optional[dict[str, Any]], reports: Sequence[Report]) -> None:
    """Compare the kernel's reports of a scenario with our events, matched by who was killed."""
    if result is None:
        cell.state, cell.reason = "lost", "no result came from the guest"
    elif result["outcome"] == "skipped":
        cell.problems += [f"skipped: {reason}" for reason in result["reasons"]]
    events = (result or {}).get("events", [])
    cell.problems += (result or {}).get("problems", [])
    cell.reports, cell.events = len(reports), len(events)
    hidden = dict(matrix.find(cell.kernel).hides)
    waiting: dict[str, list[list[str]]] = {}
    claimed: dict[str, int] = {}
    for event in events:
        lines = without_prefix(event["text"])
        waiting.setdefault(kernellog.key(lines), []).append(lines)
        claimed[kernellog.key(lines)] = claimed.get(kernellog.key(lines), 0) + bool(event["printed"])
        missing = [part for part in event["missing"] if event["printed"] or part not in hidden]
        if event["records_lost"] or missing:
            cell.problems.append(f"incomplete: {event['records_lost']} records lost, missing {missing}")
    for report in reports:
        ours = waiting.get(report.key)
        tally = cell.memcg if report.is_memcg else cell.other
        if ours:
            tally.add(compare(report, ours.pop(0)))
            claimed[report.key] -= 1
        else:
            tally.add(Tally(lines=len(report.lines), structural=[f"no event of ours for: {report.lines[0]}"]))
    for name, count in claimed.items():
        if count > 0 and waiting[name]:
            cell.problems.append(f"said to be printed, and not in the kernel's log: {name}")


def save(found: Sequence[Cell], path: Path) -> None:
    """Write cells to a file."""
    path.write_text(json.dumps([asdict(cell) for cell in found], indent=1) + "\n")


def read(path: Path) -> list[Cell]:
    """Cells from a file."""
    return [_cell(one) for one in json.loads(path.read_text())]


def _cell(one: dict[str, Any]) -> Cell:
    tallies = {
        name: Tally(**{**one[name], "differing": [Differing(**two) for two in one[name]["differing"]]})
        for name in ("memcg", "other")
    }
    return Cell(**{**one, **tallies})

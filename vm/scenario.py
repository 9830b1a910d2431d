"""``python3 -m vm scenario``: the reproductions of ``vm/scenarios/`` in guests that meet their needs."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Optional

from . import boot, kernellog, matrix
from .compare import Tally, compare, without_prefix
from .errors import STATUS_USAGE, VmError
from .kernellog import Report
from .progress import say
from .spec import RunSpec

FOLDER = Path(__file__).resolve().parent / "scenarios"
REPOSITORY = FOLDER.parent.parent
MEMORY = 1 << 30
LOG = "log_buf_len=2M"
BOOT_SECONDS = 120.0
MORE_SECONDS = 20.0
"""For each scenario besides its own time-out: cleaning up, late events, a new trace after a crash."""


@dataclass(frozen=True)
class Scenario:
    """What must be known of a scenario to give it a guest."""

    name: str
    item: int
    needs: dict[str, Any] = field(hash=False)
    timeout: float

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
    """One scenario on one kernel with one cgroup version. ``state``: run, lost, or impossible with its ``reason``."""

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

    @property
    def perfect(self) -> bool:
        """Nothing differs, and all came as expected."""
        tallies = (self.memcg, self.other)
        bad = any(tally.differing or tally.structural for tally in tallies)
        return self.state == "impossible" or not (self.state == "lost" or self.problems or bad)


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
    return [
        Scenario(Path(one["file"]).stem, one["item"] or 0, one["needs"], one["timeout_seconds"])
        for one in map(json.loads, done.stdout.splitlines())
    ]


def cells(scenarios: Iterable[Scenario], kernels: Sequence[str]) -> Iterator[tuple[Scenario, Cell]]:
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


def guest_for(scenario: Scenario, cell: Cell) -> Guest:
    """The guest that a cell needs."""
    needs = scenario.needs
    return Guest(
        cell.kernel, cell.cgroup, needs["memory_bytes"] or MEMORY, needs["swap_bytes"], needs["numa_nodes"],
        needs["cpus"] or 2, f"{LOG} {needs['boot']}".strip(),
    )


def run_all(scenarios: Sequence[Scenario], kernels: Sequence[str]) -> list[Cell]:
    """Boot what is needed, run everything, compare."""
    everything = list(cells(scenarios, kernels))
    groups: dict[Guest, list[tuple[Scenario, Cell]]] = {}
    for scenario, cell in everything:
        if cell.state == "run":
            groups.setdefault(guest_for(scenario, cell), []).append((scenario, cell))
    for number, (guest, members) in enumerate(groups.items(), 1):
        listed = ", ".join(scenario.name for scenario, _ in members)
        say(f"guest {number} of {len(groups)}: {guest.kernel}, cgroup v{guest.cgroup}: {listed}")
        run_guest(guest, members)
    return [cell for _, cell in everything]


def run_guest(guest: Guest, members: Sequence[tuple[Scenario, Cell]]) -> None:
    """One boot; fills in the cells."""
    timeout = BOOT_SECONDS + sum(scenario.timeout + MORE_SECONDS for scenario, _ in members)
    spec = RunSpec(
        kernel=guest.kernel, memory=guest.memory, swap=guest.swap, numa=guest.numa, cpus=guest.cpus,
        cgroup=f"v{guest.cgroup}", append=guest.append, timeout=timeout,
    )
    command = ["python3", "vm/guest/scenario.py", *(scenario.path_in_guest for scenario, _ in members)]
    result = boot.run(spec, command, stderr=_show)
    keep_raw(guest, result.stdout)
    results, records, notes = read_lines(result.stdout)
    found = kernellog.reports(records)
    for scenario, cell in members:
        judge(cell, results.get(scenario.name), [report for report in found if report.scenario == scenario.name])
        cell.problems += [note for note in notes if scenario.path_in_guest in note]
        if scenario.name not in results and result.status is None:
            cell.state, cell.reason = "lost", f"the VM was lost: {result.lost}"
    others = [note for note in notes if "/scenarios/" not in note]
    for text in dict.fromkeys(others):
        say(f"  {text}")
    if result.status is None:
        say(f"the VM was lost: {result.lost}; its console ended so:\n{boot.console_tail(result)}")


def _show(data: bytes) -> None:
    """What is said in the guest, at once."""
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()


def keep_raw(guest: Guest, data: bytes) -> None:
    """What the guest sent, for whoever wants to look: $OOMTRACE_VM_RAW names the folder."""
    folder = os.environ.get("OOMTRACE_VM_RAW")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "wb", prefix=f"{guest.kernel}-v{guest.cgroup}-", suffix=".jsonl", dir=folder, delete=False
        ) as file:
            file.write(data)


def read_lines(data: bytes) -> tuple[dict[str, Any], list[str], list[str]]:
    """What vm/guest/scenario.py sent: results by scenario, records of the kernel's log, notes."""
    results: dict[str, Any] = {}
    records: list[str] = []
    notes: list[str] = []
    for line in data.decode("utf-8", "replace").splitlines():
        try:
            message = json.loads(line)
        except ValueError:  # cut off, or something that a scenario's process printed
            continue
        if not isinstance(message, dict):
            continue
        if "result" in message:
            results[message["result"]["scenario"]] = message["result"]
        elif "kmsg" in message:
            records.append(message["kmsg"])
        elif "note" in message:
            notes.append(message["note"])
    return results, records, notes


def judge(cell: Cell, result: Optional[dict[str, Any]], reports: Sequence[Report]) -> None:
    """Compare the kernel's reports of a scenario with our events, matched by who was killed."""
    if result is None:
        cell.state, cell.reason = "lost", "no result came from the guest"
    elif result["outcome"] == "skipped":
        cell.problems += [f"skipped: {reason}" for reason in result["reasons"]]
    events = (result or {}).get("events", [])
    cell.problems += (result or {}).get("problems", [])
    cell.reports, cell.events = len(reports), len(events)
    waiting: dict[str, list[list[str]]] = {}
    claimed: dict[str, int] = {}
    for event in events:
        lines = without_prefix(event["text"])
        waiting.setdefault(kernellog.key(lines), []).append(lines)
        claimed[kernellog.key(lines)] = claimed.get(kernellog.key(lines), 0) + bool(event["printed"])
        if event["records_lost"] or event["missing"]:
            cell.problems.append(f"incomplete: {event['records_lost']} records lost, missing {event['missing']}")
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


ROW = "{:<24} {:<6} {:<3} {:>7} {:>7} {:>9} {:>9} {:>10}  {}".format


def table(found: Sequence[Cell]) -> str:
    """The cells as rows, and below them what differs."""
    lines = [ROW("SCENARIO", "KERNEL", "CG", "REPORTS", "LINES", "IDENTICAL", "DIFFERING", "STRUCTURAL", "")]
    for cell in found:
        total = Tally()
        total.add(cell.memcg)
        total.add(cell.other)
        verdict = "ok" if cell.perfect else "NOT PERFECT"
        lines.append(ROW(
            cell.scenario, cell.kernel, f"v{cell.cgroup}", cell.reports, total.lines, total.identical,
            len(total.differing), len(total.structural), cell.reason or verdict,
        ))
        lines += [f"    {problem}" for problem in cell.problems]
        lines += [f"    differs: {one.by}: {one.kernel}" for one in total.differing[:8]]
        lines += [f"    {text}" for text in total.structural[:12]]
    return "\n".join(lines)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of ``scenario``."""
    parser.add_argument("scenarios", nargs="+", metavar="NAME", help=f"{', '.join(names())}, or all")
    parser.add_argument("--kernel", action="append", choices=matrix.names(), help="may be repeated; default: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here as well")
    parser.set_defaults(action=main)


def main(options: argparse.Namespace) -> int:
    """Run scenarios, print the table; 1 unless all is perfect."""
    wanted = names() if "all" in options.scenarios else options.scenarios
    found = run_all(load(wanted), options.kernel or matrix.names())
    print(table(found))
    if options.json:
        options.json.write_text(json.dumps([asdict(cell) for cell in found], indent=1) + "\n")
    return 0 if all(cell.perfect for cell in found) else 1

"""``python3 -m vm scenario``: the reproductions of ``vm/scenarios/`` in guests that meet their needs."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import boot, cells, explained, image, kernellog, matrix
from .cells import Cell, Guest, Scenario
from .progress import say
from .spec import RunSpec

BOOT_SECONDS = 120.0
MORE_SECONDS = 20.0
"""For each scenario besides its own time-out: cleaning up, late events, a new trace after a crash."""


def run_all(
    scenarios: Sequence[Scenario], kernels: Sequence[str], ended: Callable[[Sequence[Cell]], None] = lambda _: None
) -> list[Cell]:
    """Everything on these kernels. ``ended`` hears of each guest's cells when it is through."""
    return run_cells(list(cells.of(scenarios, kernels)), ended)


def run_cells(
    everything: Sequence[tuple[Scenario, Cell]], ended: Callable[[Sequence[Cell]], None] = lambda _: None
) -> list[Cell]:
    """Boot what is needed, run, compare."""
    groups: dict[Guest, list[tuple[Scenario, Cell]]] = {}
    for scenario, cell in everything:
        if cell.state == "run":
            groups.setdefault(cells.guest_for(scenario, cell), []).append((scenario, cell))
    for number, (guest, members) in enumerate(groups.items(), 1):
        members.sort(key=lambda pair: pair[0].floods)  # last: what comes in the 5 s after it is not printed, either
        listed = ", ".join(scenario.name for scenario, _ in members)
        say(f"guest {number} of {len(groups)}: {guest.kernel}, cgroup v{guest.cgroup}: {listed}")
        run_guest(guest, members)
        ended([cell for _, cell in members])
    return [cell for _, cell in everything]


def run_guest(guest: Guest, members: Sequence[tuple[Scenario, Cell]]) -> None:
    """One boot; fills in the cells."""
    timeout = BOOT_SECONDS + sum(scenario.timeout + MORE_SECONDS for scenario, _ in members)
    spec = RunSpec(
        kernel=guest.kernel, memory=guest.memory, swap=guest.swap, numa=guest.numa, cpus=guest.cpus,
        cgroup=f"v{guest.cgroup}", append=guest.append, timeout=timeout, kept=image.kept_folder(),
    )
    command = ["python3", "vm/guest/scenario.py", *(scenario.path_in_guest for scenario, _ in members)]
    result = boot.run(spec, command, stderr=_show)
    keep_raw(guest, result.stdout)
    results, records, notes, programs = read_lines(result.stdout)
    found = kernellog.reports(records)
    logs = kernellog.by_scenario(records)
    for scenario, cell in members:
        cell.programs, cell.day = programs, time.strftime("%Y-%m-%d")
        cells.judge(cell, results.get(scenario.name), [report for report in found if report.scenario == scenario.name])
        cell.problems += explained.problems(scenario, logs.get(scenario.name, []))
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


def read_lines(data: bytes) -> tuple[dict[str, Any], list[str], list[str], str]:
    """What vm/guest/scenario.py sent: results by scenario, records of the kernel's log, notes, and which programs
    oomtrace used."""
    results: dict[str, Any] = {}
    records: list[str] = []
    notes: list[str] = []
    programs: list[str] = []
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
        elif "programs" in message:
            programs.append(message["programs"])
    return results, records, notes, ", ".join(dict.fromkeys(programs))


ROW = "{:<24} {:<6} {:<3} {:>7} {:>7} {:>9} {:>9} {:>10}  {}".format


HEADER = ROW("SCENARIO", "KERNEL", "CG", "REPORTS", "LINES", "IDENTICAL", "DIFFERING", "STRUCTURAL", "")


def show(found: Sequence[Cell]) -> None:
    """Print the cells as rows, and below each what differs."""
    lines = []
    for cell in found:
        total = cell.total
        verdict = "ok" if cell.perfect else "NOT PERFECT"
        lines.append(ROW(
            cell.scenario, cell.kernel, f"v{cell.cgroup}", cell.reports, total.lines, total.identical,
            len(total.differing), len(total.structural), cell.reason or verdict,
        ))
        lines += [f"    {problem}" for problem in cell.problems]
        lines += [f"    differs: {one.by}: {one.kernel}" for one in total.differing[:8]]
        lines += [f"    {text}" for text in total.structural[:12]]
    print("\n".join(lines), flush=True)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of ``scenario``."""
    parser.add_argument("scenarios", nargs="+", metavar="NAME", help="files of vm/scenarios, without .yaml; or all")
    parser.add_argument("--kernel", action="append", choices=matrix.all_names(), metavar="NAME",
                        help="may be repeated (default: all of the matrix)")
    parser.add_argument("--cgroup", choices=("v1", "v2"), help="this version of cgroups alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result to FILE, as JSON")
    parser.set_defaults(action=main)


def main(options: argparse.Namespace) -> int:
    """Run scenarios, print the table; 1 unless all is perfect."""
    wanted = cells.names() if "all" in options.scenarios else options.scenarios
    print(HEADER, flush=True)
    so_far: list[Cell] = []

    def ended(new: Sequence[Cell]) -> None:
        show(new)
        so_far.extend(new)
        if options.json:  # after each guest: the next may hang
            cells.save(so_far, options.json)

    everything = cells.of(cells.load(wanted), options.kernel or matrix.names())
    found = run_cells([pair for pair in everything if options.cgroup in (None, f"v{pair[1].cgroup}")], ended)
    ended([cell for cell in found if cell.state == "impossible"])
    return 0 if all(cell.perfect for cell in found) else 1

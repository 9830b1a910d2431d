"""``python3 -m vm fidelity``: the whole matrix of scenarios and kernels, written down in FIDELITY.md."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Optional

from . import cells, image, matrix, scenario
from .cells import NOT_RUN, Cell, Scenario
from .compare import Tally
from .recipe import Recipe

DEFAULT = cells.REPOSITORY / "FIDELITY.md"
SHOWN = 40
"""Differing lines of one cell that are listed; the others are counted."""

HEAD = """\
# Fidelity

Every kind of OOM, made in virtual machines: each report of the kernel's own log (`/dev/kmsg`) against the one that
oomtrace made of the same OOM, line by line, with nothing masked. Written by `make fidelity` on {date}.

{kernels}

*Shipped* programs are those that oomtrace comes with; the others were *compiled* in the VM (`--compile`).

The first column is the number of the kind of OOM ([what each is](docs/contributing.md#kinds-of-oom)), the second the
scenario's name (`vm/scenarios/`). A cell is *identical lines* / *lines that the kernel printed*; `0/0`: the kernel
prints no report of it. `+n` are lines of ours that the kernel was kept from printing (its rate limit,
`vm.oom_dump_tasks=0`); **bold** is a cell that is not perfect, explained below. –: the kernel cannot have it. *not
run*: no guest has run it so far. Empty: only the other version of cgroups has this kind of OOM.{older}
"""
KINDS = {
    1: "a process fills a memory cgroup with its own (anonymous) memory, with swap or without",
    2: "nobody may be killed for a cgroup (`memory.oom_control`, cgroup v1): the task waits",
    3: "a limit further up is full, not that of the task's own cgroup",
    4: "all processes of a cgroup are killed together (`memory.oom.group`)",
    5: "files fill a memory cgroup: page cache, tmpfs",
    6: "memory of the kernel fills it",
    7: "the whole machine is out of memory",
    8: "a request of another kind: SysRq, several pages at once; or `vm.oom_kill_allocating_task`",
    9: "a part of the machine is full: a cpuset, a memory policy",
    10: "a limit is set below what is used, or no process may be killed",
    11: "the choice of the victim: `oom_score_adj`, exiting tasks, threads, shared memory, vfork",
    12: "a task table of thousands of rows",
    13: "more OOMs than the kernel prints",
    14: "the kernel prints no task table (`vm.oom_dump_tasks=0`)",
    15: "a charge fails and nobody is killed",
}
"""``item`` of a scenario: its kind of OOM."""
OLDER = """ †: run on an earlier day, with the programs of that day: {days}."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of ``fidelity``."""
    parser.add_argument("--kernel", action="append", choices=matrix.all_names(), metavar="NAME",
                        help="may be repeated (default: all, those for arm64 too)")
    parser.add_argument("--output", type=Path, default=DEFAULT, metavar="FILE",
                        help="where to write (default: FIDELITY.md)")
    parser.add_argument("--json", type=Path, metavar="FILE",
                        help="also write the results to FILE, as JSON, after each guest: the next may hang")
    parser.add_argument("--read", type=Path, action="append", metavar="FILE",
                        help="boot nothing: take the results from FILE; may be repeated, later ones win")
    parser.add_argument("--resume", action="store_true",
                        help="with --read: run what those files do not have, and what was lost or is not perfect there")
    parser.set_defaults(action=main)


def main(options: argparse.Namespace) -> int:
    """Run or read, write the table; 1 unless all is perfect."""
    had = merged(cell for path in options.read or () for cell in cells.read(path))
    everything = list(cells.of(cells.load(cells.names()), options.kernel or matrix.all_names()))
    found = run(everything, had, options.json) if options.resume or not options.read else had
    found = with_not_run(found, [cell for _, cell in everything])
    if options.json:
        cells.save(found, options.json)
    options.output.write_text(document(found))
    print(last_line(found))
    return 0 if all(cell.perfect for cell in found) else 1


def run(everything: Sequence[tuple[Scenario, Cell]], had: Sequence[Cell], file: Optional[Path]) -> list[Cell]:
    """What is not had, or not perfectly, in guests; with all that is had. ``file`` gets it after each guest."""
    good = {cell.place for cell in had if cell.perfect}
    found = list(had)

    def ended(new: Sequence[Cell]) -> None:
        scenario.show(new)
        found.extend(new)
        if file:
            cells.save(merged(found), file)

    ended([cell for _, cell in everything if cell.state == "impossible"])
    scenario.run_cells([pair for pair in everything if pair[1].state == "run" and pair[1].place not in good], ended)
    return merged(found)


def with_not_run(found: Sequence[Cell], everything: Iterable[Cell]) -> list[Cell]:
    """All of `everything`, as found; what is not among it was not run. What a kernel cannot have by now does not count,
    though it was run."""
    have, everything = {cell.place for cell in found}, list(everything)
    for cell in everything:
        if cell.state == "run" and cell.place not in have:
            cell.state = cells.NOT_RUN
    return merged([*everything, *found, *(cell for cell in everything if not _possible(cell))])


def merged(found: Iterable[Cell]) -> list[Cell]:
    """One of each, the last one, by item, scenario and kernel."""
    kept = {cell.place: cell for cell in found}
    kernels = matrix.all_names()
    return sorted(kept.values(), key=lambda cell: (cell.item, cell.scenario, kernels.index(cell.kernel), -cell.cgroup))


def document(found: Sequence[Cell]) -> str:
    """The whole file."""
    found = merged(found)
    earlier = sorted({cell.day for cell in found if cell.day} - {newest(found)})
    older = OLDER.format(days=", ".join(earlier)) if earlier else ""
    parts = [
        HEAD.format(date=newest(found) or time.strftime("%Y-%m-%d"), kernels=_kernels(found), older=older),
        *_tables(found),
        "## What is not perfect\n",
        "\n".join(explanation(cell) for cell in found if not cell.perfect and cell.state != NOT_RUN) or "Nothing.\n",
        "## What was not run\n",
        _listed(found, NOT_RUN) or "Nothing.\n",
        "## What a kernel cannot have\n",
        _listed(found, "impossible") + _hidden(found),
        last_line(found),
    ]
    return "\n".join(parts) + "\n"


def newest(found: Iterable[Cell]) -> str:
    """The day of the last run."""
    return max((cell.day for cell in found), default="")


def _kernels(found: Sequence[Cell]) -> str:
    lines = []
    for name in dict.fromkeys(cell.kernel for cell in found):
        built = image.find(Recipe(matrix.find(name)))
        ran = [cell for cell in found if cell.kernel == name and cell.state == "run" and cell.day == newest(found)]
        programs = sorted({cell.programs or "unknown" for cell in ran})
        used = f", {' and '.join(programs)} programs" if programs else ""
        lines.append(f"- {name}: {built.release if built else 'image not built'}{used}")
    return "\n".join(lines)


def _tables(found: Sequence[Cell]) -> Iterable[str]:
    """One for each architecture, with a title if there are several."""
    machines = {cell.kernel: matrix.find(cell.kernel).arch.machine for cell in found}
    several = len(set(machines.values())) > 1
    for machine in dict.fromkeys(machines.values()):
        if several:
            yield f"## On {machine}\n"
        yield table([cell for cell in found if machines[cell.kernel] == machine], newest(found))


def table(found: Sequence[Cell], today: str = "") -> str:
    """Scenarios down, kernels across; what was run before ``today`` is marked."""
    kernels = matrix.all_names()
    columns = sorted({(kernels.index(cell.kernel), -cell.cgroup) for cell in found if _possible(cell)})
    names = [f"{kernels[kernel].replace('-arm64', '')} v{-version}" for kernel, version in columns]
    lines = ["| | scenario | " + " | ".join(names) + " |", "|--:|---" + "|--:" * len(names) + "|"]
    for item, name in dict.fromkeys((cell.item, cell.scenario) for cell in found):
        row = {(kernels.index(c.kernel), -c.cgroup): field(c, today) for c in found if c.scenario == name}
        lines.append(f"| {item} | {name} | " + " | ".join(row.get(column, "") for column in columns) + " |")
    return "\n".join(lines) + "\n"


def field(cell: Cell, today: str = "") -> str:
    """One field of the table."""
    if cell.state == "impossible":
        return "–"
    if cell.state == NOT_RUN:
        return "*not run*"
    total = cell.total
    text = cell.state if cell.state != "run" else f"{total.identical}/{total.lines}"
    text += f" +{total.ours_alone}" if total.ours_alone else ""
    text += " †" if "" < cell.day < today else ""
    return text if cell.perfect else f"**{text}**"


def explanation(cell: Cell) -> str:
    """What is not perfect in a cell."""
    lines = [f"### {cell.scenario}, {cell.kernel}, cgroup v{cell.cgroup}\n"]
    lines += [f"- {text}" for text in filter(None, [cell.reason, *cell.problems])]
    total = cell.total
    lines += [f"- differs: {one.by}: `{one.kernel}`" for one in total.differing[:SHOWN]]
    lines += [f"- `{text}`" for text in total.structural[:SHOWN]]
    more = max(0, len(total.differing) - SHOWN) + max(0, len(total.structural) - SHOWN)
    return "\n".join(lines + ([f"- and {more} more"] if more else [])) + "\n"


def _hidden(found: Sequence[Cell]) -> str:
    """What kernels do not show of reports that they do not print."""
    kernels = map(matrix.find, dict.fromkeys(cell.kernel for cell in found))
    return "".join(f"- {kernel.name}, in reports that it does not print: {part}: {why}\n"
                   for kernel in kernels for part, why in kernel.hides)


def _possible(cell: Cell) -> bool:
    return cell.state != "impossible"


def _listed(found: Sequence[Cell], state: str) -> str:
    """The cells of a state, by kernel and reason."""
    reasons: dict[tuple[str, ...], list[str]] = {}
    columns = Counter((cell.kernel, cell.cgroup) for cell in found if state == "impossible" or _possible(cell))
    for cell in found:
        if cell.state == state:
            where = (cell.kernel, f"v{cell.cgroup}", cell.reason)
            reasons.setdefault(where, []).append(cell.scenario)
    lines = []
    for (kernel, version, reason), names in reasons.items():
        what = "everything" if len(names) == columns[kernel, int(version[1:])] else ", ".join(names)
        lines.append(f"- {': '.join(filter(None, (f'{kernel} {version}', reason, what)))}\n")
    return "".join(lines)


def last_line(found: Sequence[Cell]) -> str:
    """The sum of it all."""
    memcg, other = Tally(), Tally()
    for cell in found:
        memcg.add(cell.memcg)
        other.add(cell.other)
    return (
        f"memcg: {memcg.identical} of {memcg.lines} lines identical; global: {other.identical} of {other.lines}; "
        f"structural differences: {len(memcg.structural) + len(other.structural)}"
    )

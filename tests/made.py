"""``make readme``: what the pages show of oomtrace's own making. Output is real output, of the recorded OOM on 6.1.

A test compares. A new part is a function in ``PARTS``, and its pair of marks in a page.
"""

from __future__ import annotations

import inspect
import io
import itertools
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from oomtrace import errors, output, text
from oomtrace.model import OomEvent
from oomtrace.repro import cgroups, workloads
from oomtrace.session import verify
from oomtrace.why import registry
from oomtrace.wire import capture
from tests import pages, rooms
from tests.live.guest import kernel_lines
from vm import fidelity, matrix
from vm.bench import results

RECORDED = pages.REPOSITORY / "tests" / "fixtures" / "data" / "6.1-memcg-v2.oom"
WITH_STACKS = RECORDED.with_name("7.3-code.oom")
_LESS = re.compile(r"  swap |  totalpages|  without adj")
_STACKS = 2
_PART = "<!-- {0}: begin -->\n{1}\n<!-- {0}: end -->"
_MARKS = re.compile(r"<!-- ([\w-]+): begin -->\n(.*?)\n?<!-- \1: end -->", re.DOTALL)
# Words for the types of workloads' parameters (oomtrace.repro.workloads).
_KINDS = {"Bytes": "size", "Seconds": "time", "int": "number", "bool": "true or false", "str": "text"}


def event(recorded: Path = RECORDED) -> OomEvent:
    """The recorded OOM."""
    (found,) = capture.events(capture.load(io.BytesIO(recorded.read_bytes())))
    return found


def explanation() -> str:
    """What ``--format why`` makes of it, without what is not of every OOM's essence."""
    lines: list[str] = []
    left_out = False
    for line in _printed(event(), "why"):
        left_out = bool(_LESS.match(line)) or (left_out and line.startswith(" " * 15))
        if not left_out:
            lines.append(line)
        elif lines[-1] != "  …":
            lines.append("  …")
    return _fenced(["$ sudo oomtrace --format why", *lines])


def code() -> str:
    """What ``--format folded`` makes of the OOM of tests/live/code/fill.py under ``oomtrace run``: the stacks of most
    bytes, without the interpreter's and the C library's own frames."""
    found: Counter[str] = Counter()
    for line in _printed(event(WITH_STACKS), "folded"):
        stack, _, size = line.rpartition(" ")
        process, *frames = stack.split(";")
        shown = [frame if "(fill.py" in frame else "…" for frame in frames]
        found[";".join([process, *(frame for frame, _ in itertools.groupby(shown))])] += int(size)
    return _fenced([f"{stack} {size}" for stack, size in found.most_common(_STACKS)])


def report() -> str:
    """The kernel's report, its first line and that of the kill, and how it compares with the kernel's log."""
    found = event()
    lines = _printed(found, "kernel")
    theirs = [line.decode() for line in kernel_lines(RECORDED.with_suffix(".kmsg").read_bytes())]
    verdict = verify.compare(theirs, verify.report_lines(found))
    return _fenced([
        "$ sudo oomtrace --format kernel --verify", lines[0], "…", _kill(lines),
        f"oomtrace: verify: {verdict.identical} of {verdict.kernel_lines} lines identical to the kernel's log",
    ])


def _kill(lines: list[str]) -> str:
    (line,) = (line for line in lines if "Killed process" in line)
    return line


def seed_explanation() -> str:
    """What ``oomtrace read`` makes of the report that docs/reading-an-oom.md goes through."""
    page = (pages.REPOSITORY / "docs" / "reading-an-oom.md").read_text()
    (log,) = re.findall(r"^```text the-report\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (found,) = text.read([log.encode()])
    return _fenced(_printed(found, "why"))


def statuses() -> str:
    """The exit statuses."""
    return _table(("status", "meaning"), [(str(status), meaning) for status, meaning in errors.STATUSES.items()])


def formats() -> str:
    """The formats of ``--format``."""
    return _table(("format", "what it writes"), [(f"`{name}`", form.about) for name, form in output.FORMATS.items()])


def kernels() -> str:
    """The kernels that the VMs have."""
    rows = [(row.name.replace("-arm64", ""), row.arch_name,
             f"Debian {row.kernel_suite or row.suite}, `{row.kernel_package}`",
             "v1, v2" if row.cgroup_v1 else "v2") for row in matrix.everything()]
    return _table(("kernel", "architecture", "from", "cgroup versions"), rows)


def kinds() -> str:
    """The kinds of OOM, and the scenarios of each."""
    found: dict[int, list[str]] = {}
    for path in sorted((pages.REPOSITORY / "vm" / "scenarios").glob("*.yaml")):
        found.setdefault(yaml.safe_load(path.read_text())["item"], []).append(f"`{path.stem}`")
    rows = [(str(item), about, ", ".join(found[item])) for item, about in fidelity.KINDS.items()]
    return _table(("item", "kind of OOM", "scenarios"), rows)


def costs() -> str:
    """What oomtrace costs, from BENCHMARKS.md."""
    found = _measured()
    charge, signals, path, live, start = (found.rows(section, "6.1") for section in (
        "Cost of a charge", "Cost of watching kills", "Cost inside the OOM path; many tasks", "Latency, storms, idle",
        "Start to attached, resident memory"))
    faults, sigterm = charge["page faults, 4 KiB"], signals["1,000 SIGTERM"]
    huge = found.rows("Cost of a charge", "6.12")["page faults, THP"]
    (latency,) = re.findall(r"oomtrace (\d+ ms), `dmesg -w` (\d+ ms)", found.part("Latency, storms, idle", "6.1"))
    (summed,) = re.findall(r"A batch thus costs \d+: ([\d.]+ %)", found.part("Cost of a charge", "6.1"))
    (told,) = re.findall(r"\|64\|(\d+)\|\d+\|`oomtrace: \1 OOMs`", found.part("Latency, storms, idle", "6.1"))
    starts = {name: tuple(f"{row[when]} s, {row[memory]} MB" for when, memory in (
        ("first start, s", "peak, MB"), ("later, s", "resident, MB"))) for name, row in start.items()}
    peer, stock = starts["bpftrace oomkill.bt"], starts["oomkill-bpfcc"]
    theirs = "the kernel's report costs"
    rows = [
        ("charging a page, by default",
         f"{faults['batch']} of the instructions; {summed} if what is run is added up", "no trace"),
        ("the same with huge pages, on 6.12", f"{huge['batch']} of the instructions", "no trace"),
        ("charging a page, `--charges every`", f"{faults['every']} of the instructions", "no trace"),
        ("1,000 SIGTERM a second that end no process",
         sigterm["near at 1,000 a second"].partition(" (")[0], "`--kills off`"),
        *((f"an OOM with {tasks} tasks", f"{path[tasks].number('tracing adds') / 1000:.1f} ms longer",
           f"the kernel's report takes {path[tasks].number(theirs) / 1000:.1f} ms") for tasks in ("100", "10,000")),
        (f"{int(told):,} kills in 64 memcgs, as fast as they come", "none lost", ""),
        ("a minute without an OOM", f"{live['oomtrace']['wake-ups']} wake-ups", ""),
        ("from the kernel's first line to our report, `--format kernel`", latency[0], f"`dmesg -w`: {latency[1]}"),
        ("first start on a kernel", f"{starts['oomtrace'][0]} at most",
         f"`bpftrace oomkill.bt`: {peer[0]}; `oomkill-bpfcc`: {stock[0]}"),
        ("later starts, with what was kept", starts["oomtrace"][1],
         f"`bpftrace oomkill.bt`: {peer[1]}; `oomkill-bpfcc`: {stock[1]}"),
    ]
    return _table(("", "cost", "compared with"), rows)


def stack_costs() -> str:
    """What stacks cost, from BENCHMARKS.md."""
    found = _measured()
    rows, text = found.rows("Cost of stacks", "6.1"), found.part("Cost of stacks", "6.1")
    memory, seconds = re.findall(r"Memory: ([\d.]+ MiB).* 1,000 stacks: ([\d.]+ s)", text)[0]
    program, python = rows["a program"], rows["Python"]
    apart = found.rows("Cost of a charge", "6.1")["page faults, 4 KiB"]["batch"]
    return _table(("", "cost"), [
        ("tracing without `--stacks`",
         f"{_percent(program['off'])}; [another measurement](how-it-works.md#what-it-costs) has {apart}"),
        ("`--stacks on`", f"{_percent(program['on'])}, of Python {_percent(python['on'])}"),
        ("memory of the kernel that `--stacks` needs, and none without", f"{memory} on one CPU, at most about 10"),
        ("the frames of 1,000 stacks, once an OOM is over", seconds),
    ])


def _measured() -> results.Measured:
    return results.Measured((pages.REPOSITORY / "BENCHMARKS.md").read_text())


def _percent(field: str) -> str:
    return field.partition(" ±")[0]


def workload_table() -> str:
    """What a process of a reproduction can do."""
    rows = []
    for name, function in sorted(workloads.registry().items()):
        parameters = ", ".join(
            f"`{one.name}`: {_KINDS[one.kind.__name__]}{'' if one.needed else ', optional'}"
            for one in workloads.parameters(function)
        )
        rows.append((f"`{name}`", parameters, _first_paragraph(function).replace("``", "`")))
    return _table(("name", "arguments", "what it does"), rows)


def knobs() -> str:
    """The files of cgroups that a reproduction may write."""
    rows = [(f"`{name}`", "yes" if knob.v2 else "no", f"`{knob.v1}`" if knob.v1 else "no")
            for name, knob in cgroups.KNOBS.items()]
    return _table(("file", "cgroup v2", "cgroup v1, under the name"), rows)


def findings() -> str:
    """What the explanation can find, and what each finding can state."""
    rows = [(f"`{cause.id}`", _first_paragraph(cause.judge), ", ".join(f"`{reason.value}`" for reason in cause.reasons))
            for cause in registry.causes()]
    return _table(("finding", "what it tells", "reasons"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "explanation": explanation,
    "code": code,
    "report": report,
    "seed-explanation": seed_explanation,
    "statuses": statuses,
    "formats": formats,
    "kernels": kernels,
    "kinds": kinds,
    "costs": costs,
    "stack-costs": stack_costs,
    "workloads": workload_table,
    "knobs": knobs,
    "findings": findings,
    "rooms": rooms.markdown,
}


def parts(page: str) -> list[tuple[str, str]]:
    """Name and content of the made parts in a page's text."""
    return [(found[1], found[2]) for found in _MARKS.finditer(page)]


def filled(page: str) -> str:
    """A page's text, with its parts made anew."""
    return _MARKS.sub(lambda found: _PART.format(found[1], PARTS[found[1]]()), page)


def _first_paragraph(function: Any) -> str:
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _fenced(lines: list[str]) -> str:
    return "\n".join(["```text", *lines, "```"])


def _printed(found: OomEvent, form: str) -> list[str]:
    stream = io.StringIO()
    writer = output.writer(form, stream)
    writer.event(found)
    writer.finish()
    return stream.getvalue().splitlines()


def main() -> None:
    """Put them in."""
    for path in pages.pages():
        before = path.read_text()
        after = filled(before)
        if after != before:
            Path(path).write_text(after)
            print(f"{path.relative_to(pages.REPOSITORY)}: made anew")


if __name__ == "__main__":
    main()

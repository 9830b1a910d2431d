"""Counters of OOMs for Prometheus, as a file that node_exporter's textfile collector reads.

The file is replaced as a whole at each OOM, so that nobody reads half of it. It is also where the counters are kept: a
trace that starts goes on from what the last one wrote. Knowledge: prometheus.io/docs/instrumenting/exposition_formats.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from oomtrace import __version__
from oomtrace.errors import EXIT_USAGE, OomtraceError
from oomtrace.tell import Option
from oomtrace.tell.common import subject

if TYPE_CHECKING:
    from oomtrace.model import Killed, OomEvent

OPTION = Option("--textfile", "Count OOMs in DIR/oomtrace.prom, for node_exporter's textfile collector.", "DIR")
NAME = "oomtrace.prom"
MOST_SERIES = 200  # of one counter; what comes beyond counts under OTHER
OTHER = "(other)"
LABELS = ("kind", "container", "pod", "namespace", "unit")

_LOOKS = "oomtrace_near_limit_looks_total"
_Labels = tuple[tuple[str, str], ...]

# By name, with what it counts, and whether it is for each kind and owner.
_COUNTERS: Mapping[str, tuple[str, bool]] = {
    "oomtrace_ooms_total": ("OOMs, by what was full and whose it was.", True),
    "oomtrace_killed_processes_total": ("Processes that the OOM killer killed, likewise.", True),
    "oomtrace_kills_by_others_total": ("Kills by others than the OOM killer, by who did it and whose it was.", True),
    "oomtrace_freed_bytes_total": ("Anonymous memory that killed processes gave back.", False),
    "oomtrace_waits_total": ("Tasks that slept in a memory cgroup where OOM killing is disabled.", False),
    "oomtrace_failed_charges_total": ("Charges that failed, and nobody was killed for them.", False),
    _LOOKS: ("Looks at memory cgroups that neared their limit, and at the machine as it began to reclaim.", False),
    "oomtrace_slowdowns_total": ("Processes that memory.high has slowed down for a second and more.", False),
    "oomtrace_records_lost_total": ("Records of events that were lost: those events are incomplete.", False),
}
_SAMPLE = re.compile(r'(\w+)(?:\{(.*)\})? (\d+)')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"(?:,|$)')


class Textfile:
    """The file of one folder, and the counters in it."""

    name = f"--textfile: {NAME}"

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._counts = _read(self._path)
        self._last_s: Optional[float] = None
        self.looks: Callable[[], int] = lambda: 0  # of this trace, so far
        self._looks_before = self._counts[_LOOKS].get((), 0)

    def start(self) -> None:
        """Write what there is, so that the counters are there before the first OOM. Raises OSError."""
        self._write()

    def tell(self, event: OomEvent, capture: Optional[Path]) -> None:
        """Count an event. Raises OSError where the file cannot be written; it is counted all the same."""
        trace = event.trace
        self._add("oomtrace_waits_total", (), int(trace.wait is not None and not trace.wait.over))
        self._add("oomtrace_failed_charges_total", (), 0 if trace.failure is None else 1 + trace.failure.suppressed)
        self._add("oomtrace_slowdowns_total", (), int(trace.throttle is not None))
        self._add("oomtrace_records_lost_total", (), trace.records_lost or 0)
        if event.is_oom:
            labels = tuple(labels_of(event).items())
            self._add("oomtrace_ooms_total", labels, 1)
            self._add("oomtrace_killed_processes_total", labels, len({kill.pid for kill in event.report.kills}))
            freed_pages = sum(release.freed_pages or 0 for release in trace.releases)
            self._add("oomtrace_freed_bytes_total", (), freed_pages * event.report.machine.page_kb * 1024)
            self._last_s = time.time()
        if event.killed is not None:
            self._add("oomtrace_kills_by_others_total", tuple(labels_of(event).items()), 1)
        self._write()

    def close(self) -> None:
        """The file stays: what it counts does not end with the trace. Raises OSError where it cannot be written."""
        self._write()

    def _add(self, name: str, labels: _Labels, number: int) -> None:
        series = self._counts[name]
        if labels and labels not in series and len(series) >= MOST_SERIES:
            labels = tuple((label, value if label == "kind" else OTHER) for label, value in labels)
        series[labels] = series.get(labels, 0) + number

    def _write(self) -> None:
        """Replace the file. Mode 0644: the exporter is another user."""
        import tempfile  # late, as all that a start need not wait for

        self._counts[_LOOKS][()] = self._looks_before + self.looks()
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{NAME}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.writelines(line + "\n" for line in self._lines())
                os.fchmod(file.fileno(), 0o644)
            os.replace(temporary, self._path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def _lines(self) -> Iterator[str]:
        for name, (described, _) in _COUNTERS.items():
            yield f"# HELP {name} {described}"
            yield f"# TYPE {name} counter"
            for labels, number in self._counts[name].items():
                yield _sample(name, labels, str(number))
        if self._last_s is not None:
            yield "# HELP oomtrace_last_oom_timestamp_seconds When the last OOM was, since this trace began."
            yield "# TYPE oomtrace_last_oom_timestamp_seconds gauge"
            yield _sample("oomtrace_last_oom_timestamp_seconds", (), f"{self._last_s:.3f}")
        yield "# HELP oomtrace_build_info The oomtrace that counts."
        yield "# TYPE oomtrace_build_info gauge"
        yield _sample("oomtrace_build_info", (("version", __version__),), "1")


def opened(value: object) -> Textfile:
    """The channel for ``--textfile DIR``. Raises OomtraceError if there can be no file."""
    folder = Path(str(value))
    channel = Textfile(folder)
    try:
        channel.start()
    except OSError as error:
        hint = "it is the folder that node_exporter's --collector.textfile.directory names"
        raise OomtraceError(f"--textfile {folder}: {error.strerror}", hint, EXIT_USAGE) from error
    return channel


def labels_of(event: OomEvent) -> dict[str, str]:
    """Whose OOM it was, by the path of its memcg and by what the container's runtime says of it: never a pid, never a
    process's name."""
    from oomtrace.why import names, witnessed

    path = subject.path_of(event)
    owner = names.owner(path) if path else None
    seen = witnessed.container(event, path=path) if path else None
    values = {
        "kind": event.kind if event.killed is None else _by(event.killed),
        "container": (seen.name if seen is not None else None) or (owner.container_id or "")[:12] if owner else None,
        "pod": (seen.pod if seen is not None else None) or (owner.pod_uid if owner is not None else None),
        "namespace": seen.pod_namespace if seen is not None else None,
        "unit": owner.unit if owner is not None else None,
    }
    return {name: values[name] or "" for name in LABELS}


def _by(killed: Killed) -> str:
    """Who killed: a program that is known for it, "process" for any other, or why the kernel did."""
    from oomtrace.why import senders

    role = senders.role_in(killed) if senders.by_process(killed.how) else None
    return str(role or killed.how or "")


def _sample(name: str, labels: _Labels, value: str) -> str:
    shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels if text)
    return f"{name}{{{shown}}} {value}" if shown else f"{name} {value}"


def _escaped(text: str) -> str:
    """A label's value: backslash, quote and line end are escaped; what is no UTF-8 is shown as such."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], text)


def _read(path: Path) -> dict[str, dict[_Labels, int]]:
    """The counters that an earlier trace has left. A file of somebody else has none of them."""
    counts: dict[str, dict[_Labels, int]] = {
        name: {} if labelled else {(): 0} for name, (_, labelled) in _COUNTERS.items()
    }
    with suppress(OSError, UnicodeDecodeError):
        for line in path.read_text(encoding="utf-8").splitlines():
            match = _SAMPLE.fullmatch(line)
            if match is None or match[1] not in counts:
                continue
            found = {name: _unescaped(value) for name, value in _LABEL.findall(match[2] or "")}
            labelled = _COUNTERS[match[1]][1]
            labels = tuple((name, found.get(name, "")) for name in LABELS) if labelled else ()
            if len(counts[match[1]]) <= MOST_SERIES:
                counts[match[1]][labels] = int(match[3])
    return counts

"""How much of a log's reports is read by rows, and how much is kept as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Optional

from oomtrace.model import OomEvent

from .read import read


@dataclass(frozen=True)
class Tally:
    """The counts of one file: lines that belong to reports, and how many of them a row reads."""

    file: str
    reports: int
    lines: int
    read: int
    events: tuple[OomEvent, ...] = ()

    @property
    def kept(self) -> int:
        """Lines that are kept verbatim."""
        return self.lines - self.read

    @property
    def share(self) -> Optional[float]:
        """The part that rows read, of 1; None if there are no lines."""
        return self.read / self.lines if self.lines else None


def tally(file: str, pieces: Iterable[bytes]) -> Tally:
    """The tally of a log."""
    events = tuple(read(pieces))
    lines = [line for event in events for line in event.origin.lines]
    return Tally(file, len(events), len(lines), sum(line.row is not None for line in lines), events)


def table(tallies: Iterable[Tally]) -> Iterator[str]:
    """The lines of a table: a file each, then the sum."""
    found: list[Tally] = []
    yield f"{'reports':>7} {'lines':>7} {'read':>7} {'kept':>5} {'share':>7}  file"
    for tally in tallies:
        found.append(tally)
        yield _row(tally)
    yield _row(Tally(f"{len(found)} file{'' if len(found) == 1 else 's'}", sum(tally.reports for tally in found),
                     sum(tally.lines for tally in found), sum(tally.read for tally in found)))


def _row(tally: Tally) -> str:
    share = "-" if tally.share is None else f"{tally.share:.2%}"
    return (f"{tally.reports:7} {tally.lines:7} {tally.read:7} {tally.kept:5} {share:>7}  "
            + tally.file.rpartition("/")[2])

"""Logs that stand newest first, as log viewers export them: their records in the order in which they were written.

Records pass at once. Only when a log shows that it runs backwards, those of a report are held until its first line.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .prefix import QUOTES, strip

_DECIDED = 8  # pairs of records in the right order: what follows of this place needs no look
_BACKWARDS = 3  # pairs in the other order, and none in the right one
_HELD = 20000  # records
_KERNEL = re.compile(r"\[ *(\d+\.\d{3,9})\]")
_WALL = re.compile(r"\d\d:\d\d:\d\d(?:[.,]\d+)?")
_DIGITS = re.compile(r"\d+")
_KILLED = re.compile(r"Killed process (\d+)[ ,]")
_BEFORE_KILLED = re.compile(r"oom-kill:constraint=.*,pid=(\d+),|: [Kk]ill process (\d+) \(")
_FIRST = " invoked oom-killer: "
_BEFORE_FIRST = re.compile(r"Manual OOM execution|oom_kill_process: \d+ callbacks")
_RECORD_HEAD = re.compile(r"(?:anon \d+|active_anon:\d+ .*)$")  # of a record with newlines


class Unit(NamedTuple):
    """A record of the log: its line's number and the lines of text in it."""

    number: int
    lines: list[str]


class Order:
    """Looks at the times of the records at each place of a log that is read."""

    def __init__(self) -> None:
        self.backwards = False
        self._recent: list[Unit] = []  # since the beginning of the place, until it is decided
        self._held: list[Unit] = []
        self._first = False  # is the report's first line held?
        self.begin()

    def begin(self) -> None:
        """Another place of the log begins, or another log."""
        self._recent = []
        self._times: "tuple[str, str, float]" = ("", "", 0.0)  # of the last record: its form, its kind, its time
        self._up = self._down = 0
        self._killed = ""
        self.decided = self.backwards

    @property
    def holding(self) -> bool:
        """Are records held back, because the beginning of their report comes later?"""
        return bool(self._held)

    def turns(self, unit: Unit) -> bool:
        """Does the log show with this record that it runs backwards? Then what passed of this place is held instead."""
        self._recent.append(unit)
        text = unit.lines[0] if unit.lines else ""
        self._look(text)
        if self._down >= _BACKWARDS and not self._up or self._kill_first(text):
            self.backwards = self.decided = True
            held, self._recent = self._recent, []
            for one in held:
                self.hold(one)
        elif self._up >= _DECIDED:
            self.decided = True
            self._recent = []
        return self.backwards

    def _look(self, text: str) -> None:
        """Compares the record's time with that of the one before, if both are of one form."""
        kernel = _KERNEL.search(text, 0, 120)
        found = kernel or _WALL.search(text, 0, 80)
        if found is None:
            return
        form = _DIGITS.sub("", text[: found.start()])
        time = float(found.group(1)) if kernel else _seconds(found.group())
        before, self._times = self._times, (form, "kernel" if kernel else "wall", time)
        if before[:2] == self._times[:2] and time != before[2]:
            self._up += time > before[2]
            self._down += time < before[2]

    def _kill_first(self, text: str) -> bool:
        """Does the line that announces a kill follow that kill?"""
        announced = _BEFORE_KILLED.search(text)
        if announced is not None and self._killed in announced.groups() and self._killed and not self._up:
            return True
        killed = _KILLED.search(text)
        self._killed = killed.group(1) if killed is not None else ""
        return False

    def hold(self, unit: Unit) -> None:
        """Keeps a record of a log that runs backwards."""
        self._held.append(unit)
        self._first = self._first or any(_FIRST in line for line in unit.lines)

    def complete_before(self, unit: Unit) -> bool:
        """Is the report there whose records are held, and this one of another?"""
        before = self._first and not any(_FIRST in line or _BEFORE_FIRST.search(line) for line in unit.lines)
        return before or len(self._held) >= _HELD

    def release(self) -> list[Unit]:
        """What is held, in the order in which it was written."""
        held, self._held, self._first = self._held, [], False
        return _turned(held)


def _seconds(clock: str) -> float:
    hours, minutes, seconds = clock.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _turned(units: list[Unit]) -> list[Unit]:
    """Records the other way round. Lines without prefix are of the record above, or of that below, if each line was
    turned: a record with newlines begins with known words."""
    bare = [not strip(unit.lines[0]).prefix.strip(QUOTES) if unit.lines else True for unit in units]
    if all(bare) or not any(bare):
        return units[::-1]
    above = below = 0
    for at in range(1, len(units)):
        if bare[at] and not bare[at - 1]:
            above += _is_head(units[at - 1])
        elif bare[at - 1] and not bare[at]:
            below += _is_head(units[at])
    if below > above:
        return units[::-1]
    groups: list[list[Unit]] = []
    for unit, alone in zip(units, bare):
        if alone and groups:
            groups[-1].append(unit)
        else:
            groups.append([unit])
    return [unit for group in reversed(groups) for unit in group]


def _is_head(unit: Unit) -> bool:
    return _RECORD_HEAD.match(strip(unit.lines[-1]).text) is not None

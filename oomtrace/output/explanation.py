"""The explanation as text: a headline, then the steps in which an engineer reads a report, at most a screen."""

from __future__ import annotations

import textwrap
from typing import Any, Callable, Optional

from oomtrace import why
from oomtrace.model import OomEvent
from oomtrace.why import CERTAIN, Explanation, Finding, Pattern
from oomtrace.why.units import human

from .bars import bar, sparkline
from .base import Writer
from .kills import Run
from .terminal import Style, escaped

_INDENT = 15  # "5 without adj   "
_TABLE_INDENT = 6
_AMOUNTS = 4
_LEVELS = 6
_KILLED = 5  # of a group that are shown below those
_RANKS = 3
_POINTS, _LEAST_POINTS = 64, 4  # of a row that shows usage over time
_BESIDE_BARS = 68  # columns of a row that leave room for its bar


class PeopleWriter(Writer):
    """An explanation for each OOM, and one table for kills of which the log has the kill line alone.

    Such a kill waits for the next OOM, which may be another one, if it may (``waits``).
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._run = Run()

    def write_event(self, event: OomEvent) -> None:
        run = self._run
        if run and not run.takes(event):
            self.settle()
        self.write_report(event, "\n" if self.count and not run else "")
        before = self.before
        if run:
            run.add(event, before)
            self.remember(event)
            return
        said = explanation(self.explained(event), self.style, self.width)
        if self.waits and run.takes(event):
            run.add(event, before, said)
        else:
            self.write_why(said)

    def write_report(self, event: OomEvent, apart: str) -> None:
        """Writes what comes before an explanation, ``apart`` from the OOM before it."""
        self.put(apart)

    def write_why(self, said: str) -> None:
        """Writes the explanation."""
        self.put(said)

    def settle(self) -> None:
        """Writes what has waited."""
        if self._run:
            self.write_why(self._run.ended())
            self._stream.flush()

    def write_end(self, pattern: Optional[Pattern]) -> None:
        self.settle()
        if pattern is not None and pattern.events > 1:
            self.put("\n" + pattern_text(pattern, self.style, self.width))


class WhyWriter(PeopleWriter):
    """The explanation alone."""


def explanation(found: Explanation, style: Style, width: int) -> str:
    """All of it, each line ended by a newline."""
    lines = [style("headline", line) for line in _wrapped(found.headline, width)] + [""]
    step = 0
    incomplete = found.finding("missing") is not None
    for finding in found.findings:
        if finding.reasons[0] in why.SILENT and len(finding.reasons) == 1 and (incomplete or finding.id == "achieved"):
            continue
        number = str(finding.step) if finding.step != step and finding.step in range(1, 6) else " "
        step = finding.step
        lines += _finding(finding, number, found, style, width)
    for suggestion in found.suggestions:
        lines += _entry(" ", "advice", suggestion.sentence, style, width)
    return "".join(line.rstrip() + "\n" for line in lines)


def pattern_text(pattern: Pattern, style: Style, width: int) -> str:
    """The summary of many."""
    lines: list[str] = []
    for number, sentence in enumerate(pattern.sentences):
        wrapped = _wrapped(sentence, width)
        lines += [style("headline", line) for line in wrapped] if number == 0 else ["  " + line for line in wrapped]
    return "".join(line + "\n" for line in lines)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(escaped(text), width, break_long_words=False, break_on_hyphens=False) or [""]


def _entry(number: str, title: str, text: str, style: Style, width: int) -> list[str]:
    """A title and its text with a hanging indent."""
    lines = _wrapped(text, width - _INDENT)
    head = f"{style('step', number)} {style('title', title)}" + " " * (_INDENT - 2 - len(title))
    return [head + lines[0]] + [" " * _INDENT + line for line in lines[1:]]


def _finding(finding: Finding, number: str, found: Explanation, style: Style, width: int) -> list[str]:
    rows = _TABLES.get(finding.id, _no_rows)(found, style)
    if finding.id == "filled" and rows:
        lines = _titled(number, finding.title, rows, style)
    else:
        lines = _entry(number, finding.title, finding.sentence, style, width)
        lines += [" " * _TABLE_INDENT + row for row in rows]
    return lines + _interpretation(finding, style, width)


def _titled(number: str, title: str, rows: list[str], style: Style) -> list[str]:
    head = f"{style('step', number)} {style('title', title)}" + " " * (_INDENT - 2 - len(title))
    return [head + rows[0]] + [" " * _INDENT + row for row in rows[1:]]


def _interpretation(finding: Finding, style: Style, width: int) -> list[str]:
    """What is concluded, apart from what is fact, and how surely."""
    if finding.interpretation is None:
        return []
    sure = "" if finding.confidence == CERTAIN else f" [{finding.confidence}]"
    lines = _wrapped(f"=> {finding.interpretation}{sure}", width - _INDENT)
    meaning = "alarm" if finding.has(*why.ALARMS) else "unknown" if sure else None
    return [" " * _INDENT + (style(meaning, line) if meaning else line) for line in lines]


def _no_rows(found: Explanation, style: Style) -> list[str]:
    return []


def _levels(found: Explanation, style: Style) -> list[str]:
    """The hierarchy above the full memcg, if a level above has a limit or protection."""
    if not any(level.limit_kb is not None or level.min_kb or level.low_kb for level in found.levels[1:]):
        return []
    lines = ["     usage      limit        min        low       high  memory cgroup"]
    for level in found.levels[:_LEVELS]:
        limit, high = ("max" if kb is None else human(kb) for kb in (level.limit_kb, level.high_kb))
        cells = (human(level.usage_kb or 0), limit, human(level.min_kb or 0), human(level.low_kb or 0), high)
        lines.append(" ".join(f"{cell:>10}" for cell in cells) + "  " + escaped(level.path))
    return lines


def _amounts(found: Explanation, style: Style) -> list[str]:
    """What filled it, as a table: name, human and exact size, per cent."""
    left = [row for row in found.amounts[_AMOUNTS:] if row.kind is why.Kind.NOT_ACCOUNTED and (row.percent or 0) >= 1]
    shown = [row for place, row in enumerate(found.amounts[:_AMOUNTS]) if place < 3 or row.percent != 0]
    rest = [row for row in found.amounts if row not in shown + left and row.percent != 0]
    rows = [(amount.name, amount.kb, amount.percent) for amount in shown]
    if rest:
        shares = [amount.percent for amount in rest if amount.percent is not None]
        rows.append(("others", sum(amount.kb for amount in rest), round(sum(shares), 1) if shares else None))
    rows += [(amount.name, amount.kb, amount.percent) for amount in left]
    size = max((len(name) for name, _, _ in rows), default=0)
    lines = [f"{name:{size}}  {human(kb):>10}  {kb:>12} kB" + (f"  {part:5.1f} %" if part is not None else "")
             for name, kb, part in rows]
    if style.draws and max(map(len, lines), default=0) <= _BESIDE_BARS:
        lines = [f"{line}  {bar(part)}" if part is not None else line for line, (_, _, part) in zip(lines, rows)]
    return lines


def _ranking(found: Explanation, style: Style) -> list[str]:
    """The best candidates and the chosen one."""
    able = [(place, row) for place, row in enumerate(found.ranking, 1) if row.exempt is None or row.chosen]
    marked = [pair for pair in able[_RANKS:] if pair[1].chosen or pair[1].killed]
    shown, more = able[:_RANKS] + marked[:_KILLED], len(marked[_KILLED:])
    if len(shown) < 2:
        return []
    lines = ["   #      pid        rss       swap     tables   adj     points  name"]
    for place, row in shown:
        cells = [f"{human(kb or 0):>10}" for kb in (row.rss_kb, row.swap_kb, row.pgtables_kb)]
        points = "-" if row.points is None else str(row.points)
        line = f"{place:>4} {row.pid:>8} {' '.join(cells)} {row.oom_score_adj:>5} {points:>10}  {escaped(row.comm)}"
        mark = " <- killed" if row.killed else " <- chosen" if row.chosen else ""
        lines.append(style("chosen", line + mark) if mark else line)
    if more:
        lines.append(f"     and {more} more that were killed")
    return lines


def _usage(found: Explanation, style: Style) -> list[str]:
    """How usage has gone, as a row of blocks under the sentence."""
    if not style.draws or len(found.usage_kb) < _LEAST_POINTS:
        return []
    return [" " * (_INDENT - _TABLE_INDENT) + sparkline(found.usage_kb[-_POINTS:])]


_TABLES: dict[str, Callable[[Explanation, Style], list[str]]] = {
    "full": _levels, "filled": _amounts, "pick": _ranking,
    "history": _usage,
}

"""Charges before the OOM: a column for each second, stacked by process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from markupsafe import Markup

from oomtrace.model import Growth
from oomtrace.why.units import age, human, plural

from .case import PageCase, who
from .composition import CompositionRow
from .svg import per_cent, text

_HEIGHT = 72
_PROCESSES = 5
_LEAST = 3  # columns: less is no picture
_SECOND_NS = 1 << 30  # of Growth.by_second_pages


@dataclass(frozen=True)
class Charges:
    """``most``: what the picture's height stands for, in one second."""

    picture: Markup
    span: str
    most: str
    rows: tuple[CompositionRow, ...]


@dataclass(frozen=True)
class _Layer:
    """What one process, or all the others, charged in each column."""

    name: str
    look: str
    kb: tuple[int, ...]


def charges(case: PageCase) -> Optional[Charges]:
    """None where charges were not counted by the second, or for so short a time that there is nothing to see."""
    grown = sorted((one for one in case.event.trace.growth if any(one.by_second_pages)),
                   key=lambda one: -one.charged_pages)
    columns = max((len(one.by_second_pages) for one in grown), default=0)
    if columns < _LEAST:
        return None
    layers = [
        _Layer(who(one.pid, one.comm), "c-victim" if case.look_of(one.pid) == "victim" else f"p{number}",
               _kb([one], columns, case.page_kb))
        for number, one in enumerate(grown[:_PROCESSES])
    ]
    if grown[_PROCESSES:]:
        rest = grown[_PROCESSES:]
        layers.append(_Layer(plural(len(rest), "other"), "c-other", _kb(rest, columns, case.page_kb)))
    most = max(sum(layer.kb[at] for layer in layers) for at in range(columns))
    shapes = "".join(_column(layers, at, columns, most) for at in range(columns))
    whole = sum(sum(layer.kb) for layer in layers)
    rows = tuple(CompositionRow("", layer.look, layer.name, sum(layer.kb), human(sum(layer.kb)),
                                f"{100 * sum(layer.kb) / whole:.1f} %") for layer in layers)
    label = "charged by the second: " + ", ".join(f"{row.name} {row.part}" for row in rows)
    picture = f'<svg class="curve" height="{_HEIGHT}" role="img" aria-label="{text(label)}">{shapes}</svg>'
    return Charges(Markup(picture), age(columns * _SECOND_NS), human(most), rows)


def _kb(grown: Sequence[Growth], columns: int, page_kb: int) -> tuple[int, ...]:
    """All end with the OOM, so that a shorter one begins later."""
    total = [0] * columns
    for one in grown:
        for at, pages in enumerate(one.by_second_pages, columns - len(one.by_second_pages)):
            total[at] += pages * page_kb
    return tuple(total)


def _column(layers: Sequence[_Layer], at: int, columns: int, most: int) -> str:
    shapes, below = [], 0
    for layer in layers:
        kb = layer.kb[at]
        if not kb:
            continue
        said = f"{age((columns - at) * _SECOND_NS)} before: {layer.name} {human(kb)}"
        shapes.append(
            f'<rect class="{layer.look}" x="{per_cent(at / columns)}" width="{per_cent(0.86 / columns)}" '
            f'y="{_HEIGHT - _HEIGHT * (below + kb) / most:.1f}" height="{_HEIGHT * kb / most:.1f}">'
            f"<title>{text(said)}</title></rect>"
        )
        below += kb
    return "".join(shapes)

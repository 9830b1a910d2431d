"""A flame graph as SVG: a row a call, outermost at the top; as wide as what was charged below it.

Widths are per cent, and each frame is an <svg> of its own, which cuts its name off at its edge: so it fits any width,
and is readable without the script. The script zooms by changing ``x`` and ``width``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from oomtrace.why.units import human, share

from .svg import text

_ROW = 19  # one more than the style sheet has for a frame
_MOST_NODES = 230  # in the picture: the narrowest are left out, and what is narrower than a hair
_LEAST = 0.0015  # of the width
_LABEL = 0.012  # what is narrower has no name in it until it is zoomed
_MOST_NAME = 120
_WIDEST_CHARACTERS = 260  # of the picture: what would not fit of a name is left to the title
_MOST_ROWS = 60


class Node:
    """A call, with what was charged in it and below."""

    def __init__(self, name: str, look: str, depth: int) -> None:
        self.name, self.look, self.depth = name, look, depth
        self.size = 0
        self._calls: dict[str, Node] = {}

    def add(self, path: Sequence[tuple[str, str]], size: int) -> None:
        """A stack, from the outside in."""
        node = self
        node.size += size
        for name, look in path[: _MOST_ROWS - 1]:
            node = node._calls.setdefault(name, Node(name, look, node.depth + 1))
            node.size += size

    @property
    def by_size(self) -> "list[Node]":
        """What it calls, the largest first."""
        return sorted(self._calls.values(), key=lambda node: -node.size)

    def placed(self, start: int = 0) -> "Iterator[tuple[int, Node]]":
        """All nodes with where they begin, callers before what they call."""
        yield start, self
        for node in self.by_size:
            yield from node.placed(start)
            start += node.size


def picture(root: Node) -> Markup:
    """The graph of all that the root has."""
    placed = list(root.placed())
    largest = sorted(placed, key=lambda one: (-one[1].size, one[1].depth))[:_MOST_NODES]  # no call without its caller
    kept = {id(node) for _, node in largest if node.size >= root.size * _LEAST}
    shown = [(start, node) for start, node in placed if id(node) in kept]
    rows = 1 + max(node.depth for _, node in shown)
    shapes = "".join(_frame(start, node, root.size) for start, node in shown)
    heaviest = "; ".join(f"{node.name} {share(node.size, root.size)}" for node in _heaviest(root))
    label = f"Who charged, by call: {heaviest}. The table below has the numbers."
    return Markup(
        f'<svg class="flame" height="{rows * _ROW}" data-row="{_ROW}" role="img" aria-label="{text(label)}">'
        f"{shapes}</svg>"
    )


def _heaviest(root: Node) -> "Iterator[Node]":
    """The path of the largest parts."""
    node = root
    while node.by_size:
        node = node.by_size[0]
        yield node


def _frame(start: int, node: Node, total: int) -> str:
    x, width = start / total, node.size / total
    name = node.name if len(node.name) <= _MOST_NAME else f"{node.name[: _MOST_NAME - 1]}…"
    label = f'<text x="4" y="13">{text(name[: int(width * _WIDEST_CHARACTERS) + 1])}</text>' if width >= _LABEL else ""
    said = f"{name}: {human(node.size >> 10)}, {share(node.size, total)}"
    return (
        f'<svg class="f-{node.look}" x="{_exact(x)}" y="{node.depth * _ROW}" width="{_exact(width)}"><rect/>{label}'
        f"<title>{text(said)}</title></svg>"
    )


def _exact(part: float) -> str:
    """Per cent, as exactly as the script needs it to find what lies within what."""
    return f"{100 * part:.3f}".rstrip("0").rstrip(".") + "%"

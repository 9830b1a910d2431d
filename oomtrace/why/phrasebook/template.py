"""How a phrase is written down, and how facts fill it.

A phrase is a template, or a function of the facts where words hang together in other ways::

    "{memcg.path:place|A cgroup} was at its limit of {limit_kb:exact}[, failcnt {failcnt}]."

``{name}`` is the fact of that name, ``{name:form}`` the fact in a form of ``FORMS``, ``{name:form|words}`` has words
for where it is not known. What is in ``[ ]`` is left out if one of its facts is not known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Callable, Optional, Union

from .. import names, units
from ..finding import Process, Reason, Value

Facts = Mapping[str, Any]
Phrase = Union[str, Callable[[Facts], str]]

_HOLE = re.compile(r"\{([^}:|]+)(?::([^}|]*))?(?:\|([^}]*))?\}")
_OPTIONAL = re.compile(r"\[([^\]]*\{[^\]]*)\]")


def fill(phrase: Phrase, facts: Facts) -> str:
    """The phrase with the facts in it."""
    if not isinstance(phrase, str):
        return phrase(facts)
    said = []
    for optional, part in _parts(phrase):
        if not optional or all(name in facts for name in _names(part)):
            said.append(_HOLE.sub(lambda hole: _filled(hole[1], hole[2], hole[3], facts), part))
    return "".join(said)


def holes(phrase: str) -> tuple[str, ...]:
    """The facts that a template asks for in any case."""
    return tuple(name for optional, part in _parts(phrase) if not optional
                 for name, _, words in _HOLE.findall(part) if not words)


@cache
def _parts(phrase: str) -> tuple[tuple[bool, str], ...]:
    """The template in parts: (is it optional, its text)."""
    found: list[tuple[bool, str]] = []
    end = 0
    for match in _OPTIONAL.finditer(phrase):
        found += [(False, phrase[end:match.start()]), (True, match[1])]
        end = match.end()
    return (*found, (False, phrase[end:]))


@cache
def _names(part: str) -> tuple[str, ...]:
    return tuple(name for name, _, _ in _HOLE.findall(part))


def _filled(name: str, form: Optional[str], words: Optional[str], facts: Facts) -> str:
    value = facts.get(name)
    if value is None:
        return words if words is not None else "?"
    word, _, rest = (form or "").partition(" ")
    return FORMS[word](value, rest)


def who(process: Process) -> str:
    """ "python (1399)"."""
    name = process.comm if process.comm is not None else "a task"
    return name if process.pid is None else f"{name} ({process.pid})"


def plain(value: Value) -> str:
    """A fact as it is."""
    if isinstance(value, Process):
        return who(value)
    if isinstance(value, tuple):
        return ", ".join(who(one) if isinstance(one, Process) else str(one) for one in value)
    return str(value)


def _held(process: Process) -> str:
    said = f"{who(process)} {units.human(process.kb or 0)}"
    return said if process.percent is None else f"{said} ({units.some_percent(process.percent)})"


def _listed(processes: tuple[Process, ...]) -> str:
    return ", ".join(_held(one) for one in processes)


def _plural(value: int, words: str) -> str:
    """``{n:plural task}``, ``{n:plural process processes}``; ``_`` stands for a blank."""
    one, _, many = words.partition(" ")
    return units.plural(value, one.replace("_", " "), many.replace("_", " "))


def _joined(values: tuple[Any, ...]) -> str:
    said = [who(one) if isinstance(one, Process) else str(one) for one in values]
    return said[0] if len(said) == 1 else ", ".join(said[:-1]) + " and " + said[-1]


def capitalised(text: str) -> str:
    """For the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def word(reason: Reason) -> str:
    """The word for a reason that stands within a sentence."""
    from . import WORDS

    return WORDS[reason]


FORMS: dict[str, Callable[[Any, str], str]] = {
    "": lambda value, _: plain(value),
    "size": lambda kb, _: units.human(kb),
    "exact": lambda kb, _: units.exact(kb),
    "percent": lambda value, _: units.some_percent(value),
    "seconds": lambda ns, _: units.seconds(ns),
    "age": lambda ns, _: units.age(ns),
    "plural": _plural,
    "place": lambda path, _: names.described(path),
    "short": lambda path, _: names.short(path),
    "path": lambda path, _: names.shortened(path),
    "Word": lambda text, _: capitalised(text),
    "Short": lambda path, _: capitalised(names.short(path)),
    "held": lambda process, _: _held(process),
    "list": lambda processes, _: _listed(processes),
    "times": lambda number, _: "once" if number == 1 else "twice" if number == 2 else f"{number} times",
    "grown": lambda process, _: units.human(process.kb or 0),
    "points": lambda process, _: units.plural(process.points or 0, "point"),
    "block": lambda order, _: units.plural(1 << order, "page"),
    "and": lambda values, _: _joined(values),
    "word": lambda reason, _: word(reason),
}

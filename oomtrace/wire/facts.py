"""The facts of its machine that a capture carries, as far as they make sense: the file may come from anywhere, and the
decoder relies on them."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Mapping, Tuple

_MAX_ORDERS = 64
_MAX_PAGE_KB = 1024
_WITH_ADDRESS = re.compile(r"[^%]*%x[^%]*")


def checked(facts: Mapping[str, Any]) -> Tuple[Dict[str, Any], bool]:
    """The facts without those that make no sense, and whether there were such."""
    sound = {name: value for name, value in facts.items() if _is_sound(name, value)}
    return sound, len(sound) < len(facts)


def _is_sound(name: str, value: Any) -> bool:
    try:
        return name not in _CHECKS or bool(_CHECKS[name](value))
    except (AttributeError, LookupError, TypeError, ValueError):
        return False


def _text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _number(value: Any, below: int = 1 << 63) -> bool:
    return isinstance(value, int) and 0 <= value < below


def _pair(value: Any) -> bool:
    index, unit = value
    return _number(index) and _number(unit)


def _statistics(rows: Any) -> bool:
    return not rows or isinstance(rows, list) and all(
        isinstance(row["name"], str) and row["array"] in ("state", "events") and all(map(_pair, row["items"]))
        for row in rows
    )


def _meminfo(value: Any) -> bool:
    if not value:
        return True
    area = value["free_area"]
    return (
        "file_pages" in value["node"]
        and all(_pair(item) for part in ("node", "zone") for item in value[part].values())
        and isinstance(value["letters"], str)
        and all(zone is None or _number(zone) for zone in value["zones"].values())
        and {"numa", "cma", "by_gfp_zone", "hugepages_by_node"} <= set(value)
        and (not area or _number(area["orders"], _MAX_ORDERS) and _number(area["bytes"]) and _number(area["nr_free"]))
    )


_CHECKS: Dict[str, Callable[[Any], Any]] = {
    "release": _text,
    "version": _text,
    "package": _text,
    "preempt": _text,
    "charges": _text,
    "opcode_error": _WITH_ADDRESS.fullmatch,
    "page_kb": lambda value: value and _number(value, _MAX_PAGE_KB),
    "followed_ns": lambda value: value is None or _number(value),
    "taint_flags": lambda value: value is None or _number(value),
    "statistics": _statistics,
    "meminfo": _meminfo,
}

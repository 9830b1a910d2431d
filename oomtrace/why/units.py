"""Numbers for people. The kernel's kB are 1024 bytes."""

from __future__ import annotations

from typing import Optional

_UNITS = ("MiB", "GiB", "TiB", "PiB")


def human(kb: int) -> str:
    """``1048576`` → "1.0 GiB"; below 1 MiB the kernel's own kB."""
    if abs(kb) < 1024:
        return f"{kb} kB"
    value, step = kb / 1024, 0
    while abs(value) >= 1023.95 and step < len(_UNITS) - 1:
        value, step = value / 1024, step + 1
    return f"{value:.1f} {_UNITS[step]}"


def exact(kb: int) -> str:
    """With the exact number beside: "1.0 GiB (1048576 kB)"."""
    return human(kb) if abs(kb) < 1024 else f"{human(kb)} ({kb} kB)"


def percent(part: int, whole: Optional[int]) -> Optional[float]:
    """Per cent with one decimal, None of nothing."""
    return round(100 * part / whole, 1) if whole else None


def whole_percent(part: int, whole: int) -> int:
    """Per cent as people say it, without decimals."""
    return round(100 * part / whole)


def some_percent(value: float) -> str:
    """Per cent of what is there: "99.7 %", "under 0.1 %"."""
    return f"{value:.1f} %" if value >= 0.05 else "under 0.1 %"


def share(part: int, whole: Optional[int]) -> str:
    """ "99.7 %", "" of nothing."""
    value = percent(part, whole)
    return "" if value is None else f"{value:.1f} %"


def plural(number: int, one: str, many: str = "") -> str:
    """ "1 task", "2 tasks"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def age(ns: int) -> str:
    """A time for people, in the largest unit of which there are two: "0.4 s", "90 s", "3 min", "26 h", "12 days"."""
    s = ns / 1e9
    if s < 10:
        return f"{s:.1f} s"
    for unit, length, until in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if s < length * until:
            return f"{s / length:.0f} {unit}"
    return f"{s / 86400:.0f} days"


def seconds(ns: int) -> str:
    """A span: "1.204 s", "3.2 ms"."""
    return f"{ns / 1e9:.3f} s" if ns >= 1e9 else f"{ns / 1e6:.1f} ms"

"""Events made for tests, and changed: each field by its name alone, put into the group of the model that has it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from oomtrace.model import OomEvent, Origin, Report, Trace

_GROUPS = {field.name: name for name, group in (("report", Report), ("trace", Trace), ("origin", Origin))
           for field in fields(group)}


def made(**values: Any) -> OomEvent:
    """An event with these values."""
    return changed(OomEvent(), **values)


def changed(event: OomEvent, **values: Any) -> OomEvent:
    """The event with these values in place of its own."""
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        groups.setdefault(_GROUPS.get(name, ""), {})[name] = value
    own = groups.pop("", {})
    return replace(event, **own, **{name: replace(getattr(event, name), **new) for name, new in groups.items()})

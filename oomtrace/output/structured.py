"""json, jsonl and yaml. Events are written as they come: a document is complete with ``finish``.

All of it is ASCII: what is not is escaped in the way of the format, so that no terminal acts on it.
"""

from __future__ import annotations

import json
from typing import Any, Optional

import yaml

from oomtrace import why
from oomtrace.model import OomEvent

from .base import Writer, with_names
from .document import SCHEMA, entry, line, plain


class StructuredWriter(Writer):
    """What these formats have in common."""

    def entry(self, event: OomEvent) -> Any:
        """The event and its explanation as plain data."""
        return entry(with_names(event), self.explained(event))


class JsonWriter(StructuredWriter):
    """One document: ``{"schema": …, "events": […], "pattern": …}``."""

    def write_event(self, event: OomEvent) -> None:
        self.put("," if self.count else self._head())
        self.put("\n" + json.dumps(self.entry(event), indent=1))

    def _head(self) -> str:
        return f'{{"schema": {json.dumps(SCHEMA)}, "events": ['

    def write_end(self, pattern: Optional[why.Pattern]) -> None:
        self.put("" if self.count else self._head())
        self.put(f'\n], "pattern": {json.dumps(plain(pattern), indent=1)}}}\n')


class JsonlWriter(StructuredWriter):
    """An event a line."""

    def write_event(self, event: OomEvent) -> None:
        self.put(line(with_names(event), self.explained(event)) + "\n")


class YamlWriter(StructuredWriter):
    """The same document as json's."""

    def write_event(self, event: OomEvent) -> None:
        self.put("" if self.count else f"schema: {SCHEMA}\nevents:\n")
        self.put(_yaml([self.entry(event)]))

    def write_end(self, pattern: Optional[why.Pattern]) -> None:
        self.put("" if self.count else f"schema: {SCHEMA}\nevents: []\n")
        self.put(_yaml({"pattern": plain(pattern)}))


def _yaml(value: Any) -> str:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml's is ten times as fast, but optional
    return str(yaml.dump(value, Dumper=dumper, sort_keys=False, default_flow_style=False, width=1000))

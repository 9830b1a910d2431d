"""html: one file to look at, written at the end, when it is known whether there is one event in it or many."""

from __future__ import annotations

import json
from typing import Any, Optional

from oomtrace import page, why
from oomtrace.model import OomEvent

from .base import Writer, with_names
from .document import SCHEMA, entry


class HtmlWriter(Writer):
    """Makes each event's page as it comes, and keeps it packed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pages: list[page.Made] = []
        self._outlines: list[OomEvent] = []

    def write_event(self, event: OomEvent) -> None:
        event = with_names(event)
        found = why.explain(event)
        data = json.dumps({"schema": SCHEMA, **entry(event, found)}, separators=(",", ":"))
        self.pages.append(page.made(event, found, data))
        self._outlines.append(why.outline(event))

    def write_end(self, pattern: Optional[why.Pattern]) -> None:
        if len(self.pages) > 1 and pattern is None:
            pattern = why.pattern(self._outlines)
        self.put(page.document(self.pages, pattern))

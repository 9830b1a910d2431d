"""The template engine, and the files that go into a page: read as resources, so that they may lie in a zip."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from oomtrace.escape import escaped

_COMMENT = re.compile(r"(?<=[;{},]) +// .*")  # after code; those on lines of their own go with the line
_BLANKS = re.compile(r" (=>|===|!==|&&|\|\||\?\?) ")  # around operators that no text has
SHOWN = 100  # rows of a long table that the page itself has; the others come with the first click


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """Templates escape every value by themselves, and show what hides or reorders text as an escape."""
    def shown(value: Any) -> Any:
        return escaped(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    engine = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: resource(f"templates/{name}")), autoescape=True, finalize=shown,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )
    engine.globals.update(digest=digest, inline=lambda name: Markup(squeezed(name)), shown=SHOWN)
    return engine


@cache
def resource(name: str) -> str:
    """The text of a file of this room."""
    place = files(__package__)
    for part in name.split("/"):
        place = place.joinpath(part)
    return place.read_text(encoding="utf-8")


def render(name: str, **values: Any) -> str:
    """A template with its values."""
    return environment().get_template(name).render(**values)


@cache
def squeezed(name: str) -> str:
    """A style sheet or script without what only its authors need: indentation, comments, some blanks."""
    lines = [_BLANKS.sub(r"\1", _COMMENT.sub("", line).strip()) for line in resource(name).split("\n")]
    between = "" if name.endswith(".css") else "\n"
    return between.join(line for line in lines if line and not line.startswith(("//", "/*")))


@cache
def digest(name: str) -> str:
    """For the content security policy: only this style and this script may work in the page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(squeezed(name).encode()).digest()).decode()

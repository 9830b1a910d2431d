"""The template engine, or what to do where it is missing. Imported before all that uses it."""

from __future__ import annotations

from oomtrace.errors import OomtraceError

try:
    import jinja2  # noqa: F401
except ImportError as error:
    raise OomtraceError("a page needs Jinja2, which is not installed",
                        "apt install python3-jinja2, or pip install jinja2") from error

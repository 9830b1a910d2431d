"""What a page cannot show of an event: named in words, never drawn as an empty picture."""

from __future__ import annotations

from .case import PageCase


def absent(case: PageCase, shown: "frozenset[str]") -> list[str]:
    """In words, what is not in the source. ``shown``: the names of the parts that the page has."""
    event = case.event
    said = [f"{part} (the report has lost it)" for part in event.origin.missing]
    traced = event.origin.source != "log"
    if case.is_memcg and "ladder" not in shown:
        said.append("the memory cgroups above the full one, with their usage, limits and protection: "
                    "a trace records them, a log has the full one alone")
    if "composition" not in shown and event.is_oom:
        said.append("what the memory was filled with")
    if "growth" not in shown and event.is_oom and case.is_memcg:
        said.append("who charged in the seconds before: " + _charges(case) if traced else
                    "who charged in the seconds before: a trace counts it, a log does not")
    if event.report.kills and not (event.report.reaps or event.trace.releases):
        said.append("when the memory of the killed process was back")
    if event.is_oom and "tasks" not in shown and "task table" not in event.origin.missing:
        said.append("the tasks that the kernel weighed")
    if event.is_oom and "pick" not in shown and "tasks" in shown and len(case.found.ranking) != 1:
        said.append("what each candidate weighed")
    if event.report.stack is None and "call trace" not in event.origin.missing:
        said.append("the call trace of the task that asked")
    return said


def _charges(case: PageCase) -> str:
    return "charges were not watched (--charges off)" if case.event.trace.charges == "off" else "nothing was counted"

"""Step 3: what the memory was, by mapping, by file, by user."""

from __future__ import annotations

from ..causes.contents import Anonymous, Cached, KernelUsers, Shared
from ..finding import Thing
from ..units import age, human, plural
from .template import Facts, capitalised, fill, who

TITLES = {"anonymous": "memory of", "shared": "tmpfs", "cached": "cached", "kernel_users": "kernel"}

# What has a name of its own is told by it.
_MAPPINGS = {"anonymous": "anonymous mappings", "shared anonymous": "shared anonymous memory", "file": "", "tmpfs": "",
             "memfd": "", "System V": "", "named": ""}


def _mapping(thing: Thing) -> str:
    if thing.what == "thread stacks":
        return f"{plural(thing.count or 0, 'thread stack')} {human(thing.kb)}"
    kind = _MAPPINGS.get(thing.what, thing.what)
    return f"{kind or thing.name} {human(thing.kb)}"


def _mappings(facts: Facts) -> str:
    listed = ", ".join(map(_mapping, facts["mappings"]))
    more = fill("[, {swap_kb:size} of it in swap][, {huge_kb:size} in huge pages][, {locked_kb:size} locked]", facts)
    task = facts["task"]
    return f"{who(task)}: {listed}{more}."


def _sizes(facts: Facts) -> str:
    listed = ", ".join(map(_mapping, facts["mappings"]))
    return f"{who(facts['task'])} has mapped {listed}. How much of each was resident is not known."


def _held(thing: Thing) -> str:
    """ "open in app (12) and 2 others", "open in no process", nothing where it is not known."""
    if thing.unheld:
        return "open in no process"
    if not thing.holders:
        return ""
    others = len(thing.holders) - 1
    return f"open in {who(thing.holders[0])}" + (f" and {plural(others, 'other')}" if others else "")


def _file(thing: Thing) -> str:
    said: list[str] = [human(thing.kb)]
    if thing.age_ns is not None:
        said.append(f"{age(thing.age_ns)} old")
    said += ["deleted"] if thing.deleted else []
    held = _held(thing)
    said += [held] if held else []
    return f"{thing.name} ({', '.join(said)})"


def _files(facts: Facts) -> str:
    files: tuple[Thing, ...] = facts["files"]
    return fill("[{shmem_kb:size}: ]", facts) + ", ".join(map(_file, files)) + "."


def _user(thing: Thing) -> str:
    name = f"{thing.what} {thing.name}" if thing.name is not None else thing.what
    held = f" of {who(thing.holders[0])}" if thing.holders else ""
    return f"{name}{held} {human(thing.kb)}"


PHRASES = {
    Anonymous.MAPPINGS: _mappings,
    Anonymous.SIZES_ONLY: _sizes,
    Shared.FILES: _files,
    Shared.STAYS: "{name} is open in no process: no kill frees it, and it stays until it is deleted.",
    Cached.FILES: lambda facts: ", ".join(map(_file, facts["files"])) + fill(
        "[; {dirty_kb:size} not written yet][, {writeback_kb:size} being written]", facts) + ".",
    KernelUsers.ITEMS: lambda facts: capitalised(", ".join(map(_user, facts["users"]))) + ".",
    KernelUsers.UNEXPLAINED: "{unexplained_kb:exact} is in no counter: neither free, nor on a list, nor counted as the "
                             "kernel's. Drivers and file systems may take pages that nothing counts.",
}

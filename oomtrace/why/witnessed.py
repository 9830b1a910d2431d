"""Where an event has what was seen before it was gone: the last look that saw it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Callable, Optional, TypeVar

from oomtrace.model import (
    Container,
    Identity,
    KernelMemory,
    KernelUse,
    Look,
    Occasion,
    OomEvent,
    PageCache,
    SharedMemory,
    TaskMemory,
)

from . import look

_LONG = 96  # characters of a command line in a sentence

Found = TypeVar("Found")


def looks(event: OomEvent) -> tuple[Look, ...]:
    """The last one first."""
    return tuple(reversed(event.witness.looks)) if event.witness is not None else ()


def _most(event: OomEvent, get: Callable[[Look], Found], kb: Callable[[Found], int]) -> Optional[Found]:
    """What the look has that saw most of it, the last of several: one at the OOM itself may be too late for a part."""
    return max(map(get, looks(event)), key=kb, default=None)


def identity(event: OomEvent, pid: Optional[int], comm: Optional[str]) -> Optional[Identity]:
    """Who a process was. A pid is given to another one day: what a look before the OOM saw counts if the process has
    the same name, or began at the same time by the kernel's word."""
    if pid is None or event.witness is None:
        return None
    found = [one for one in event.witness.tasks if one.pid == pid]
    began = {one.start_ns for one in found if one.start_ns is not None}
    for seen in looks(event):
        for one in seen.tasks:
            same = one.comm == comm or seen.occasion is Occasion.OOM or any(
                one.start_ns is not None and abs(one.start_ns - start) < 20_000_000 for start in began)
            if one.pid == pid and same:
                found.append(one)
    return _joined(found)


def _joined(found: Sequence[Identity]) -> Optional[Identity]:
    """What several tell of a process: of each field, what the first that knows it says."""
    if not found:
        return None
    whole = found[0]
    for one in found[1:]:
        known = {each.name: getattr(one, each.name) for each in fields(Identity)}
        whole = replace(whole, **{name: value for name, value in known.items()
                                  if getattr(whole, name) in (None, ()) and value not in (None, ())})
    return whole


def command(one: Optional[Identity]) -> Optional[str]:
    """A command line for a sentence: quoted as a shell would need it, its end cut off."""
    if one is None or not one.cmdline:
        return None
    words = (" ".join(word.split()) if word.split() else "" for word in one.cmdline)  # a program may be among them
    said = " ".join(word if word and " " not in word else f"'{word}'" for word in words)
    return said if len(said) <= _LONG else said[: _LONG - 1].rstrip() + "…"


def age_ns(event: OomEvent, one: Identity) -> Optional[int]:
    """How long it had run when the OOM began."""
    if one.start_ns is not None and event.trace.begin_ns is not None and event.trace.begin_ns >= one.start_ns:
        return event.trace.begin_ns - one.start_ns
    return one.age_ns


def container(event: OomEvent, id: Optional[str] = None, path: Optional[str] = None) -> Optional[Container]:
    """A container by its id, or the innermost that the memcg of that path is, or is in."""
    known = [one for seen in looks(event) for one in seen.containers]
    if id is not None:
        return next((one for one in known if one.id == id), None)
    around = [one for one in known if path is not None and one.cgroup is not None
              and (path == one.cgroup or path.startswith(one.cgroup + "/"))]
    return max(around, key=lambda one: (len(one.cgroup or ""), one.name is not None), default=None)


def container_of_victim(event: OomEvent) -> Optional[Container]:
    """By the victim's memcg, or by what a look says of the victim itself."""
    path = look.victim_path(event)
    found = container(event, path=path) if path is not None else None
    if found is None and event.report.kills:
        victim = event.report.kills[0]
        one = identity(event, victim.pid, victim.comm)
        found = container(event, id=one.container_id) if one is not None and one.container_id else None
    return found


def container_name(one: Optional[Container]) -> Optional[str]:
    """For a sentence: "container orders-etl (image etl:1.4) of pod shop/orders-etl-7c9". None if only the memcg's path
    is known, which says itself what it is."""
    if one is None or (one.name is None and one.pod is None):
        return None
    if one.id == one.pod_uid:  # the level of a pod, not of one of its containers
        return f"pod {one.pod_namespace}/{one.pod}" if one.pod_namespace is not None else f"pod {one.pod}"
    said = f"container {one.name or one.id[:12]}"
    if one.image is not None:
        said += f" (image {one.image})"
    if one.pod is not None:
        said += f" of pod {one.pod_namespace}/{one.pod}" if one.pod_namespace is not None else f" of pod {one.pod}"
    return said


def name_of(event: OomEvent, path: Optional[str]) -> Optional[str]:
    """The same of the memcg of that path if it is a container's own, and not one within it."""
    one = container(event, path=path) if path is not None else None
    own = one is not None and one.cgroup is not None and path in (one.cgroup, f"{one.cgroup}/container")  # podman's
    return container_name(one) if own else None


def anonymous(event: OomEvent) -> tuple[TaskMemory, ...]:
    """What the memory of the largest tasks was."""
    return _most(event, lambda seen: seen.anonymous, lambda tasks: sum(task.rss_kb or 0 for task in tasks)) or ()


def shared(event: OomEvent) -> Optional[SharedMemory]:
    """What tmpfs and shared memory were."""
    found = _most(event, lambda seen: seen.shared, lambda all: sum(file.kb for file in all.files) if all else 0)
    return found if found is not None and found.files else None


def cache(event: OomEvent) -> Optional[PageCache]:
    """What the page cache was."""
    found = _most(event, lambda seen: seen.cache, lambda all: sum(file.cached_kb for file in all.files) if all else 0)
    return found if found is not None and found.files else None


def kernel(event: OomEvent) -> Optional[KernelMemory]:
    """What the kernel's part was: by the last look that saw it; and what that one had no time for, or came too late
    for, by those before."""
    seen = [one.kernel for one in looks(event) if one.kernel is not None]
    if not seen:
        return None
    items = list(seen[0].items)
    for earlier in seen[1:]:
        known = {(item.use, item.source) for item in items}
        items += [item for item in earlier.items if (item.use, item.source) not in known]
        # Pools are read by each look, and their users by one that has the time.
        users = {item.source: item.holders for item in earlier.items if item.use is KernelUse.HUGETLB}
        items = [replace(item, holders=item.holders or users.get(item.source, ()))
                 if item.use is KernelUse.HUGETLB else item for item in items]
    return replace(seen[0], items=tuple(items))

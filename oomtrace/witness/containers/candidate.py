"""What the path of a memcg says of containers: their ids, and who may have made them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

_PREFIXES = {
    "docker": "docker", "cri-containerd": "containerd", "containerd": "containerd", "nerdctl": "containerd",
    "crio": "CRI-O", "libpod": "podman",
}
_ID = r"(?P<id>[0-9a-f]{64}|[0-9a-f]{32}-\d+)"
_SCOPE = re.compile(rf"(?:(?P<prefix>{'|'.join(sorted(_PREFIXES, key=len, reverse=True))})-)?{_ID}(?:\.scope)?")
_COLONS = re.compile(rf"[^:]*:(?P<prefix>[\w-]+):{_ID}")  # the systemd driver's form, not expanded by the runtime
_UID = r"[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32}"
_POD = re.compile(rf"(?:.*-)?pod(?P<uid>{_UID})(?:\.slice)?(?=$|:)")
_USER = re.compile(r"user-(?P<uid>\d+)\.slice")


@dataclass(frozen=True)
class Candidate:
    """A level of a memcg's path that may be a container.

    ``name``: the level itself. ``parent``: the one above, which is a namespace of containerd where ctr made the path.
    """

    cgroup: str
    name: str
    parent: str
    id: Optional[str] = None
    runtime: Optional[str] = None  # what the path says
    pod_uid: Optional[str] = None
    is_pod: bool = False  # the level of a pod, above its containers
    uid: Optional[int] = None  # of the user whose slice it is in: rootless


def candidates(path: str) -> Iterator[Candidate]:
    """The levels of a path, the deepest first: what is in a container may make memcgs of its own."""
    parts = [part for part in path.split("/") if part]
    for at in range(len(parts) - 1, -1, -1):
        above = parts[:at]
        match = _SCOPE.fullmatch(parts[at]) or _COLONS.fullmatch(parts[at])
        pods = [found["uid"].replace("_", "-") for found in map(_POD.match, parts[: at + 1]) if found]
        owners = [int(found["uid"]) for found in map(_USER.fullmatch, above) if found]
        parent = above[-1] if above else ""
        runtime = _PREFIXES.get(match["prefix"] or "") if match else None
        if match and runtime is None:
            runtime = {"docker": "docker", "libpod_parent": "podman"}.get(parent)
        yield Candidate("/" + "/".join(parts[: at + 1]), parts[at], parent, match["id"] if match else None, runtime,
                        pods[-1] if pods else None, match is None and _POD.fullmatch(parts[at]) is not None,
                        owners[-1] if owners else None)

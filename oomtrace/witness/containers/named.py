"""Containers whose name is in the path of their memcg: LXC, Incus and LXD, systemd-nspawn, systemd-machined.

Their state adds the image: LXC's ``config`` may name the template, Incus and LXD keep it in ``backup.yaml``;
systemd-machined says in ``/run/systemd/machines`` which service runs the machine and where its root is.
"""

from __future__ import annotations

import re
from typing import Optional

from oomtrace.model import Container

from .candidate import Candidate
from .state import State

_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
_TEMPLATE = re.compile(rb"^# Template used to create this container: (\S+)|^lxc\.include = \S*/(\w+)\.common\.conf$",
                       re.MULTILINE)
_ALIAS = re.compile(rb"^\s*image\.(?:description|os): ?[\"']?([^\n\"']+)", re.MULTILINE)


def find(candidate: Candidate, state: State, homes: list[str]) -> Optional[Container]:
    """The container, None if the level is none of theirs."""
    name = candidate.name
    if name.startswith("lxc.payload."):
        return _lxc(name[len("lxc.payload."):], candidate, state)
    if candidate.parent in ("lxc", "lxc.payload"):
        return _lxc(name, candidate, state)
    if name.startswith("machine-") and name.endswith(".scope"):
        return _machine(name[len("machine-"):-len(".scope")], candidate, state)
    if name.startswith("systemd-nspawn@") and name.endswith(".service"):
        return _machine(name[len("systemd-nspawn@"):-len(".service")], candidate, state)
    return None


def _lxc(name: str, candidate: Candidate, state: State) -> Container:
    image, source = None, candidate.cgroup
    for path, pattern in (
        (f"/var/lib/incus/containers/{name}/backup.yaml", _ALIAS),
        (f"/var/lib/lxd/containers/{name}/backup.yaml", _ALIAS),
        (f"/var/snap/lxd/common/lxd/containers/{name}/backup.yaml", _ALIAS),
        (f"/var/lib/lxc/{name}/config", _TEMPLATE),
    ):
        data = state.bytes(path, 1 << 16)
        if data is None:
            continue
        source = path
        match = pattern.search(data)
        if match:
            said = next(group for group in match.groups() if group)
            image = said.decode("utf-8", "surrogateescape").strip().rpartition("/")[2]
        break
    return Container(name, "LXC", name, image, cgroup=candidate.cgroup, source=source)


def _machine(escaped: str, candidate: Candidate, state: State) -> Optional[Container]:
    name = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), escaped)
    path = f"/run/systemd/machines/{name}"
    known = dict(line.partition("=")[::2] for line in (state.bytes(path, 1 << 14) or b"").decode(
        "utf-8", "surrogateescape").splitlines())
    if known.get("CLASS") == "vm":
        return None
    service = known.get("SERVICE") or ("nspawn" if candidate.name.startswith("systemd-nspawn@") else "")
    runtime = "systemd-nspawn" if service in ("nspawn", "systemd-nspawn") else service or "systemd-machined"
    return Container(name, runtime, name, known.get("ROOT"), cgroup=candidate.cgroup,
                     source=path if known else candidate.cgroup)

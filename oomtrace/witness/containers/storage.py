"""podman and CRI-O: containers/storage, which both keep their containers in (containers/storage, containers.go).

``overlay-containers/containers.json`` lists them with the names and the image that they were made with; those of
``podman run --rm`` may stand in ``volatile-containers.json``. ``overlay-containers/ID/userdata/config.json`` is the
OCI configuration, whose annotations name the pod.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, Optional

from oomtrace.model import Container

from . import oci
from .candidate import Candidate
from .state import State, member, text_of

_GRAPHS = ("/var/lib/containers/storage",)
_RUNS = ("/run/containers/storage",)
_SETTINGS = ("/etc/containers/storage.conf", "/usr/share/containers/storage.conf")
_ROOT = re.compile(rb"^\s*(?:graphroot|runroot)\s*=\s*[\"']([^\"']+)[\"']", re.MULTILINE)
_DRIVERS = ("overlay", "vfs", "btrfs", "zfs")
_LISTS = ("containers.json", "volatile-containers.json")


def find(candidate: Candidate, state: State, homes: list[str]) -> Optional[Container]:
    """The container, None if neither has one of that id."""
    if candidate.id is None:
        return None
    for folder in _folders(candidate, state, homes):
        for driver in _DRIVERS:
            found = at(candidate, state, f"{folder}/{driver}-containers", candidate.id)
            if found is not None:
                return found
    return None


def at(candidate: Candidate, state: State, folder: str, id: str) -> Optional[Container]:
    """The container in one such folder: ``…/overlay-containers``."""
    path = f"{folder}/{id}/userdata/config.json"
    config = state.json(path)
    row, listed = _row(state, folder, id)
    if config is None and row is None:
        return None
    found = oci.container(candidate, id, _runtime(candidate, config), config, path if config is not None else listed)
    metadata = _metadata(row)
    names = member(row, "names")
    name = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else None
    return replace(
        found, name=found.name or text_of(metadata, "container-name") or name,
        image=found.image or text_of(metadata, "image-name"), pod=found.pod or text_of(metadata, "pod-name"),
    )


def _folders(candidate: Candidate, state: State, homes: list[str]) -> list[str]:
    told = [match.decode("utf-8", "surrogateescape") for path in _SETTINGS
            for match in _ROOT.findall(state.bytes(path, 1 << 16) or b"")]
    rootless = [f"{home}/.local/share/containers/storage" for home in homes]
    if candidate.uid is not None:
        rootless.append(f"/run/user/{candidate.uid}/containers")
    everyone = [*told, *_GRAPHS, *_RUNS]
    return list(dict.fromkeys(rootless + everyone if candidate.uid is not None else everyone + rootless))


def _row(state: State, folder: str, id: str) -> tuple[Any, str]:
    for name in _LISTS:
        path = f"{folder}/{name}"
        rows = state.json(path)
        for row in rows if isinstance(rows, list) else ():
            if member(row, "id") == id:
                return row, path
    return None, folder


def _metadata(row: Any) -> Any:
    """JSON within JSON."""
    try:
        return json.loads(text_of(row, "metadata") or "null")
    except (ValueError, RecursionError):
        return None


def _runtime(candidate: Candidate, config: Any) -> Optional[str]:
    annotations = member(config, "annotations")
    manager = text_of(annotations, "io.container.manager")
    if manager is not None:
        return {"libpod": "podman", "cri-o": "CRI-O"}.get(manager, manager)
    if text_of(annotations, "io.kubernetes.cri-o.ContainerType"):
        return "CRI-O"
    return candidate.runtime

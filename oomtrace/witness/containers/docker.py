"""Docker (and cri-dockerd): ``containers/ID/config.v2.json`` in its data folder (moby, container/container.go)."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import Container

from .candidate import Candidate
from .state import State, member, text_of

_DEFAULT = "/var/lib/docker"
_SETTINGS = ("/etc/docker/daemon.json", "/var/snap/docker/current/config/daemon.json")
_OTHERS = ("/var/snap/docker/common/var-lib-docker",)


def find(candidate: Candidate, state: State, homes: list[str]) -> Optional[Container]:
    """The container, None if Docker has none of that id."""
    if candidate.id is None:
        return None
    for folder in _folders(state, homes):
        path = f"{folder}/containers/{candidate.id}/config.v2.json"
        found = state.json(path)
        if isinstance(found, dict):
            return _read(candidate, found, path)
    return None


def _folders(state: State, homes: list[str]) -> list[str]:
    told = [text_of(state.json(path), "data-root", "graph") for path in _SETTINGS]
    return [*(path for path in told if path), _DEFAULT, *_OTHERS, *(f"{home}/.local/share/docker" for home in homes)]


def _read(candidate: Candidate, found: dict[str, object], path: str) -> Container:
    config = member(found, "Config")
    labels = member(config, "Labels")
    name = text_of(labels, "io.kubernetes.container.name") or (text_of(found, "Name") or "").lstrip("/") or None
    return Container(
        candidate.id or "", "docker", name, text_of(config, "Image"), text_of(labels, "io.kubernetes.pod.name"),
        text_of(labels, "io.kubernetes.pod.namespace"), text_of(labels, "io.kubernetes.pod.uid"), candidate.cgroup,
        path,
    )

"""containerd: the bundle of each task, ``…runtime.v2.task/NAMESPACE/ID/config.json`` in its state folder
(containerd, core/runtime/v2/bundle.go). Namespaces: "k8s.io" of Kubernetes, "default" of ctr and nerdctl, "moby" of
Docker, which names its containers itself."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Optional

from oomtrace.model import Container

from . import bolt, oci
from .candidate import Candidate
from .state import State

_STATES = ("/run/containerd", "/run/k3s/containerd", "/var/snap/microk8s/common/run/containerd", "/run/k0s/containerd")
_TASKS = ("io.containerd.runtime.v2.task", "io.containerd.runtime.v1.linux")
_ROOTS = ("/var/lib/containerd", "/var/lib/rancher/k3s/agent/containerd",
          "/var/snap/microk8s/common/var/lib/containerd")
_SETTINGS = ("/etc/containerd/config.toml",)
_STATE = re.compile(rb"^\s*state\s*=\s*[\"']([^\"']+)[\"']", re.MULTILINE)
_FIRST = ("k8s.io", "default", "moby")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")  # containerd, pkg/identifiers


def find(candidate: Candidate, state: State, homes: list[str]) -> Optional[Container]:
    """The container, None if containerd has none of that id. ctr's are named by whoever starts them, and their memcg
    is /NAMESPACE/ID."""
    id = candidate.id or candidate.name
    if not _NAME.fullmatch(id):
        return None
    for folder in (*_told(state), *_STATES):
        for tasks in _TASKS:
            for namespace in _namespaces(candidate, state, f"{folder}/{tasks}"):
                path = f"{folder}/{tasks}/{namespace}/{id}/config.json"
                found = state.json(path)
                if isinstance(found, dict):
                    read = oci.container(candidate, id, "containerd", found, path)
                    name, image = read.name or (None if candidate.id else id), read.image
                    return replace(read, name=name, image=image or _image(state, namespace, id))
    return None


def _image(state: State, namespace: str, id: str) -> Optional[str]:
    """Of a container that ctr or nerdctl has made: it is in containerd's database alone (core/metadata/buckets.go)."""
    for folder in _ROOTS:
        fd = state.open(f"{folder}/io.containerd.metadata.v1.bolt/meta.db")
        if fd is None:
            continue
        try:
            key = (b"v1", namespace.encode(), b"containers", id.encode(), b"image")
            found = bolt.Database(fd).get(key)
        except (OSError, ValueError):
            found = None
        finally:
            os.close(fd)
        if found:
            return found.decode("utf-8", "surrogateescape")
    return None


def _told(state: State) -> list[str]:
    found = []
    for path in _SETTINGS:
        match = _STATE.search(state.bytes(path, 1 << 16) or b"")
        if match:
            found.append(match[1].decode("utf-8", "surrogateescape"))
    return found


def _namespaces(candidate: Candidate, state: State, folder: str) -> list[str]:
    if candidate.id is None:
        return [candidate.parent] if _NAME.fullmatch(candidate.parent) else []
    there = state.names(folder)
    return sorted(there, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))

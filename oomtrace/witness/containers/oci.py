"""Annotations of an OCI ``config.json``, by which CRI runtimes say what a container is."""

from __future__ import annotations

from typing import Any, Optional

from oomtrace.model import Container

from .candidate import Candidate
from .state import member, text_of

# containerd's (pkg/cri/annotations), CRI-O's and cri-dockerd's (pkg/annotations), nerdctl's (pkg/labels), and the
# keys that image builders set.
_NAMES = ("io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name",
          "io.kubernetes.cri-o.ContainerName")
_IMAGES = ("io.kubernetes.cri.image-name", "io.kubernetes.cri-o.UserRequestedImage", "io.kubernetes.cri-o.ImageName",
           "io.kubernetes.cri-o.Image", "org.opencontainers.image.ref.name")
_PODS = ("io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name")
_NAMESPACES = ("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace")
_UIDS = ("io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid")
_TYPES = ("io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType")


def container(candidate: Candidate, id: str, runtime: Optional[str], config: Any, source: str) -> Container:
    """What the annotations say; the pod's own container, which only holds its namespaces, is called so."""
    known = member(config, "annotations")
    name = text_of(known, *_NAMES)
    if name is None and text_of(known, *_TYPES) == "sandbox":
        name = "POD"
    return Container(
        id, runtime, name, text_of(known, *_IMAGES), text_of(known, *_PODS), text_of(known, *_NAMESPACES),
        text_of(known, *_UIDS) or candidate.pod_uid, candidate.cgroup, source,
    )

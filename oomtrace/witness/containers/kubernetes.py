"""The kubelet's folder of logs, which names the pods: ``/var/log/pods/NAMESPACE_POD_UID/CONTAINER``
(kubernetes, pkg/kubelet/kuberuntime/helpers.go, BuildPodLogsDirectory). For where a runtime's state cannot be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from oomtrace.model import Container

from .candidate import Candidate
from .state import State

LOGS = "/var/log/pods"


def completed(found: Optional[Container], candidate: Candidate, state: State) -> Optional[Container]:
    """The container with its pod's name, if the pod's uid is in the memcg's path and its name is not known yet."""
    if candidate.pod_uid is None or (found is not None and found.pod is not None):
        return found
    for folder in state.names(LOGS):
        fields = folder.split("_")
        if len(fields) != 3 or fields[2] != candidate.pod_uid:
            continue
        inside = state.names(f"{LOGS}/{folder}")
        id = candidate.id or candidate.pod_uid
        found = found or Container(id, candidate.runtime, cgroup=candidate.cgroup, source=f"{LOGS}/{folder}")
        only = inside[0] if len(inside) == 1 and candidate.id is not None else None
        return replace(found, name=found.name or only, pod=fields[1], pod_namespace=fields[0],
                       pod_uid=candidate.pod_uid)
    return found

"""What programs that kill where memory is short write into the systemd journal about it: their own reason.

``journalctl`` is asked, which is fast for the entries of one process since a moment (both are in the journal's index).
The kubelet has a container runtime kill for it: of a pod's process, its lines are asked for, not the runtime's.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Optional

from oomtrace.model import Killed, OomEvent, Sender

from .containers.candidate import Candidate, candidates

_PATIENCE_S, _AGAIN_S = 2.0, 0.3  # the trace waits meanwhile
_BEFORE_S = 10  # earlyoom says first what it is about to do
_MOST_LINES, _LONGEST = 2, 300
_READ_LINES = 50
_NS = 1_000_000_000
# What their lines about a kill have in them, by the names of their processes; of systemd, beside the unit.
_ABOUT: Mapping[str, tuple[str, ...]] = {
    "systemd-oomd": ("Killed ", "killed "),
    "earlyoom": ("low memory!", "sending SIG"),
    "nohang": ("MemAvailable [", "metric value (", "to the victim"),
    "oomd": ("detectorgroup:[",),
    "systemd": ("Killing", "timed out", "Stopping"),
}
# What is in a line that is there for certain, if not yet: the journal lags behind who writes into it.
_CERTAIN: Mapping[str, str] = {"systemd-oomd": "illed ", "earlyoom": "sending SIG", "nohang": "to the victim",
                              "oomd": "detectorgroup:["}


# The kubelet, and what it is a part of in k3s. It decides long before: the container has time to end by itself.
_KUBELETS = ("kubelet", "k3s-server", "k3s-agent", "k3s")
_RUNTIMES = ("runc", "crun", "youki", "runsc", "conmon", "containerd", "dockerd", "crio")
_KUBELET_BEFORE_S, _KUBELET_LINES = 90, 1000
_OF_KUBELET = ("viction manager", "Killing container", "will be restarted", "SyncLoop DELETE")
_RANKED = re.compile(r'ranked for eviction.*?pods=\[*"?([^\s",\]]+)')  # the first of them goes
_POD_LOGS = "/var/log/pods"  # a folder for each pod: NAMESPACE_NAME_UID


def said(event: OomEvent) -> tuple[str, ...]:
    """The sender's last lines about a kill; empty if it is not known for writing any, or the journal has none."""
    killed, began_ns = event.killed, event.origin.unix_ns
    if killed is None or killed.sender is None or began_ns is None:
        return ()
    if killed.sender.comm not in _ABOUT:
        pod = _pod(killed) if _is_runtime(killed.sender) else None
        return _by_kubelet(pod, began_ns // _NS) if pod is not None else ()
    about, unit = _ABOUT[killed.sender.comm], _unit(killed) if killed.sender.comm == "systemd" else ""
    certain, over_s = _CERTAIN.get(killed.sender.comm, ""), time.monotonic() + _PATIENCE_S
    while True:
        lines = _lines([f"_PID={killed.sender.pid}"], began_ns // _NS - _BEFORE_S, _READ_LINES)
        found = [line.strip()[:_LONGEST] for line in lines if unit in line and any(word in line for word in about)]
        told = [at for at, line in enumerate(found, 1) if certain in line]
        if not certain or not lines or told or time.monotonic() + _AGAIN_S > over_s:
            return tuple(found[: told[-1] if certain and told else None][-_MOST_LINES:])
        time.sleep(_AGAIN_S)


def _is_runtime(sender: Sender) -> bool:
    """By its name, or by its program's: crun and runc run a copy of themselves, whose name is a number or so."""
    program = (sender.command_line or "").partition(" ")[0].rpartition("/")[2]
    return sender.comm.startswith(_RUNTIMES) or program.startswith(_RUNTIMES)


def _pod(killed: Killed) -> Optional[Candidate]:
    """The container of a pod that the first victim was in, or the pod."""
    path = killed.victims[0].memcg if killed.victims else None
    return next((each for each in candidates(path or "") if each.pod_uid), None)


def _by_kubelet(pod: Candidate, began_s: int) -> tuple[str, ...]:
    """The kubelet's last lines about the end of a pod or a container."""
    lines = _lines([f"_COMM={name}" for name in _KUBELETS], began_s - _KUBELET_BEFORE_S, _KUBELET_LINES)
    name = _pod_name(pod.pod_uid or "")
    found = [line[:_LONGEST] for line in lines if any(word in line for word in _OF_KUBELET) and _names(line, pod, name)]
    return tuple(found[-_MOST_LINES:])


def _names(line: str, pod: Candidate, name: Optional[str]) -> bool:
    """Whether it is about that pod. Of a list of pods, only the first is meant."""
    ranked = _RANKED.search(line)
    if ranked is not None:
        return ranked[1] == name
    known = (pod.pod_uid, pod.id, f'"{name}"' if name else None)
    return any(word is not None and word in line for word in known)


def _pod_name(uid: str) -> Optional[str]:
    """NAMESPACE/NAME, as the kubelet's lines have it."""
    with suppress(OSError):
        for folder in os.listdir(_POD_LOGS):
            namespace, _, rest = folder.partition("_")
            if rest.endswith(f"_{uid}"):
                return f"{namespace}/{rest[: -len(uid) - 1]}"
    return None


def _unit(killed: Killed) -> str:
    """How systemd's lines about the victim's unit begin, by its memcg."""
    path: Optional[str] = killed.victims[0].memcg if killed.victims else None
    return f"{path.rsplit('/', 1)[-1]}:" if path and path != "/" else ""


def _lines(whose: Sequence[str], since_s: int, most: int) -> list[str]:
    words = ["journalctl", *whose, f"--since=@{since_s}", "--output=cat", f"--lines={most}", "--quiet", "--no-pager"]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(words, capture_output=True, timeout=_PATIENCE_S, check=False, stdin=subprocess.DEVNULL)
        return done.stdout.decode("utf-8", "replace").splitlines()
    return []

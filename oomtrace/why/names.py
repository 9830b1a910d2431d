"""Whose a memory cgroup is, from its path alone: containers, pods, systemd units, LXC, virtual machines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Dict, List, Match, Optional, Pattern, Tuple

_ID = r"(?P<id>[0-9a-f]{64}|[0-9a-f]{32}-\d+|[0-9a-f]{12,63})"
_UID = r"(?P<uid>[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})"
_RUNTIMES: Dict[str, str] = {
    "docker": "docker",
    "cri-containerd": "containerd",
    "containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "CRI-O",
    "libpod": "podman",
}


@dataclass(frozen=True)
class Owner:
    """What a path says. ``kind``: "container", "pod", "QoS class", "service", "scope", "slice", "VM", "cgroup", …"""

    kind: str
    text: str  # for a sentence: "container 0123456789ab (docker)"
    runtime: Optional[str] = None
    container_id: Optional[str] = None
    pod_uid: Optional[str] = None
    qos: Optional[str] = None
    unit: Optional[str] = None


def unescape(unit: str) -> str:
    r"""systemd's ``\x2d`` in unit names (systemd.unit(5), "String Escaping")."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), unit)


def owner(path: str) -> Optional[Owner]:
    """Who the cgroup at ``path`` belongs to, None if the path does not say. The deepest level that says it counts."""
    parts = [part for part in path.split("/") if part]
    pod, qos = _pod(parts)
    for number in range(len(parts) - 1, -1, -1):
        above = parts[:number]
        for pattern, make in _RULES:
            match = pattern.fullmatch(parts[number])
            found = make(match, above, pod, qos) if match else None
            if found is not None:
                return found
    return None


def _pod(parts: List[str]) -> Tuple[Optional[str], Optional[str]]:
    """The pod's uid and its QoS class, wherever in the path they stand (kubelet, pkg/kubelet/cm)."""
    uid = qos = None
    kube = False
    for part in parts:
        kube = kube or part.startswith(("kubepods", "kubelet-kubepods"))  # the latter: Kubernetes in Docker
        if not kube:
            continue
        for name in ("burstable", "besteffort"):
            if part == name or f"kubepods-{name}" in part:
                qos = name
        match = _POD.match(part)
        if match:
            uid = match["uid"].replace("_", "-")
            qos = qos or "guaranteed"
    return uid, qos


_POD = re.compile(rf"(?:(?:kubelet-)?kubepods-(?:burstable-|besteffort-)?)?pod{_UID}(?:\.slice)?(?=$|:)")
_Maker = Callable[[Match[str], List[str], Optional[str], Optional[str]], Optional[Owner]]


def _container(match: Match[str], above: List[str], pod: Optional[str], qos: Optional[str]) -> Optional[Owner]:
    prefix = match.groupdict().get("runtime")
    if prefix is None and not (pod or {"docker", "libpod_parent", "ecs", "buildkit"} & set(above)):
        return None  # some hexadecimal name
    parent = above[-1] if above else ""
    runtime = _RUNTIMES.get(prefix or parent) or {"libpod_parent": "podman", "buildkit": "buildkit"}.get(parent)
    id = match["id"]
    kind = "container's monitor" if match.groupdict().get("monitor") else "container"
    said = f"{kind} {id[:12]}"
    if runtime:
        said += f" ({runtime})"
    if pod:
        said += f" of pod {pod} ({qos})"
    return Owner(kind, said, runtime, id, pod, qos)


def _pod_itself(match: Match[str], above: List[str], pod: Optional[str], qos: Optional[str]) -> Optional[Owner]:
    return Owner("pod", f"pod {pod} ({qos})", pod_uid=pod, qos=qos) if pod else None


def _qos(match: Match[str], above: List[str], pod: Optional[str], qos: Optional[str]) -> Optional[Owner]:
    if not any(part.startswith("kubepods") for part in above) and not match[0].startswith("kubepods"):
        return None
    return Owner("QoS class", f"the cgroup of all {match['name']} pods", qos=match["name"])


def _lxc(match: Match[str], above: List[str], pod: Optional[str], qos: Optional[str]) -> Optional[Owner]:
    name = match["name"]
    return Owner("container", f"container {name} (LXC)", "LXC", name)


def _lxc_below(match: Match[str], above: List[str], pod: Optional[str], qos: Optional[str]) -> Optional[Owner]:
    return _lxc(match, above, pod, qos) if above and above[-1] in ("lxc", "lxc.payload") else None


def _machine(match: Match[str], above: List[str], pod: Optional[str], qos: Optional[str]) -> Optional[Owner]:
    name = unescape(match["name"])
    driver = re.match(r"(qemu|lxc)-\d+-(.+)", name)
    if driver:
        said = f"virtual machine {driver[2]}" if driver[1] == "qemu" else f"container {driver[2]} (libvirt)"
        return Owner("VM" if driver[1] == "qemu" else "container", said, unit=match[0])
    return Owner("container", f"container {name} (systemd-machined)", "systemd", name, unit=match[0])


def _session(match: Match[str], above: List[str], pod: Optional[str], qos: Optional[str]) -> Optional[Owner]:
    users = [found[1] for found in (re.fullmatch(r"user-(\d+)\.slice", part) for part in above) if found]
    of = f" of user {users[-1]}" if users else ""
    return Owner("session", f"login session {match['name']}{of}", unit=match[0])


def _user(match: Match[str], above: List[str], pod: Optional[str], qos: Optional[str]) -> Optional[Owner]:
    return Owner("user", f"everything of user {match['name']}", unit=match[0])


def _unit(match: Match[str], above: List[str], pod: Optional[str], qos: Optional[str]) -> Optional[Owner]:
    kind, name = match["type"], unescape(match[0])
    return Owner(kind, f"{kind} {name}", unit=match[0])


def _scheduler(match: Match[str], above: List[str], pod: Optional[str], qos: Optional[str]) -> Optional[Owner]:
    if not above or above[-1] not in ("mesos", "ecs", "garden"):
        return None
    what = {"mesos": "Mesos container", "ecs": "ECS task", "garden": "garden container"}[above[-1]]
    return Owner("task" if above[-1] == "ecs" else "container", f"{what} {match[0]}", above[-1], match[0])


_RUNTIME = "|".join(sorted(_RUNTIMES, key=len, reverse=True))
_RULES: Tuple[Tuple[Pattern[str], _Maker], ...] = tuple(
    (re.compile(pattern), make)
    for pattern, make in (
        (rf"(?P<runtime>{_RUNTIME})-(?P<monitor>conmon-)?{_ID}(?:\.scope)?", _container),
        # kubelet with the systemd driver over a runtime with the cgroupfs one leaves the systemd form unexpanded.
        (rf"[^:]*:(?P<runtime>{_RUNTIME}):{_ID}", _container),
        (_ID, _container),
        (_POD.pattern, _pod_itself),
        (r"(?:kubepods-)?(?P<name>burstable|besteffort)(?:\.slice)?", _qos),
        (r"kubepods(?:\.slice)?", lambda *_: Owner("pods", "the cgroup of all pods")),
        (r"lxc\.payload\.(?P<name>.+)", _lxc),
        (r"(?P<name>[^/]+)", _lxc_below),
        (r"machine-(?P<name>.+)\.scope", _machine),
        (r"session-(?P<name>[^.]+)\.scope", _session),
        (r"user-(?P<name>\d+)\.slice", _user),
        (r".+\.(?P<type>service|scope|slice|socket|mount|swap)", _unit),
        (r".+", _scheduler),
    )
)


def described(path: str) -> str:
    """The path, ids shortened, and whose it is: "/docker/0123456789ab... (container 0123456789ab (docker))"."""
    found = owner(path)
    if found is None or found.unit == path.rsplit("/", 1)[-1]:  # a unit's name says it already
        return path
    short_id = re.sub(r"([0-9a-f]{12})[0-9a-f]{52}", r"\1...", path)
    return f"{short_id} ({found.text})"


def short(path: str) -> str:
    """For a headline: whose it is, or the path."""
    found = owner(path)
    return path if found is None else found.text


def levels_between(ancestor: str, path: str) -> Optional[int]:
    """How many levels ``path`` is below ``ancestor``: 0 the same, None not below it."""
    above = [part for part in ancestor.split("/") if part]
    below = [part for part in path.split("/") if part]
    return len(below) - len(above) if below[: len(above)] == above else None

"""Whose a memory cgroup is, from its path alone: containers, virtual machines, pods, batch jobs, systemd units,
applications of a user.

What runs in a container has cgroups as a machine has: ``/lxc/703/ns/system.slice/app.service`` is a service of
container 703, and the host has none of that name. So a path is read from its root: a container, a virtual machine or
a job encloses what is below it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from re import Match, Pattern
from typing import Callable, NamedTuple, Optional

_ID = r"(?P<id>[0-9a-f]{64}|[0-9a-f]{32}-\d+|[0-9a-f]{12,63})"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_UID = r"(?P<uid>[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})"
_RUNTIMES = {
    "docker": "docker",
    "cri-containerd": "containerd",
    "containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "CRI-O",
    "libpod": "podman",
}
_ENCLOSING = frozenset(("container", "VM", "job", "step"))
_UNITS = frozenset(("service", "scope", "slice", "socket", "mount", "swap"))


@dataclass(frozen=True)
class Owner:
    """What a path says. ``kind``: "container", "VM", "pod", "job", "service", "scope", "session", "application", …

    What encloses it gives the rest: of a service in a container, ``unit`` is its own, ``container_id`` the container's.
    """

    kind: str
    text: str  # for a sentence: "container 0123456789ab (docker)"
    runtime: Optional[str] = None
    container_id: Optional[str] = None
    pod_uid: Optional[str] = None
    qos: Optional[str] = None
    unit: Optional[str] = None
    enclosed: bool = False  # by a container, a virtual machine or a job

    def within(self, outer: Optional["Owner"]) -> "Owner":
        """The same as a part of what encloses it."""
        if outer is None:
            return self
        inner = "in" if self.kind in ("container", "VM", "pod", "job") else "of"
        return replace(
            self, text=f"{self.text} {inner} {outer.text}", runtime=self.runtime or outer.runtime,
            container_id=self.container_id or outer.container_id, pod_uid=self.pod_uid or outer.pod_uid,
            qos=self.qos or outer.qos, enclosed=True,
        )


class CgroupPlace(NamedTuple):
    """Where a level stands: the levels above it, up to what encloses it, and the pod that they name."""

    above: tuple[str, ...]
    pod: Optional[str]
    qos: Optional[str]

    @property
    def parent(self) -> str:
        return self.above[-1] if self.above else ""

    def below(self, pattern: str) -> bool:
        """Is a level above of that name?"""
        return any(re.fullmatch(pattern, part) for part in self.above)

    @property
    def of_user(self) -> str:
        """ " of user 1000" below the slice or the service manager of a user."""
        found = [re.fullmatch(r"user-(\d+)\.slice|user@(\d+)\.service|(\d+)\.user|uid_(\d+)", part)
                 for part in self.above]
        users = [match[match.lastindex or 0] for match in found if match]
        return f" of user {users[-1]}" if users else ""


def unescape(unit: str) -> str:
    r"""systemd's ``\x2d`` in unit names (systemd.unit(5), "String Escaping")."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), unit)


@lru_cache(maxsize=512)
def owner(path: str) -> Optional[Owner]:
    """Who the cgroup at ``path`` belongs to, None if the path does not say. The deepest level that says it counts."""
    parts = tuple(part for part in path.split("/") if part)
    found = outer = None
    begin = 0  # the first level within what encloses it
    for number, part in enumerate(parts):
        own = _named(part, CgroupPlace(parts[begin:number], *_pod(parts[begin:number + 1])))
        if own is None:
            continue
        found = own.within(outer)
        if own.kind in _ENCLOSING:
            outer, begin = found, number + 1
    return found


def _named(part: str, place: CgroupPlace) -> Optional[Owner]:
    for pattern, make in _RULES:
        match = pattern.fullmatch(part)
        found = make(match, place) if match else None
        if found is not None:
            return found
    return None


def _pod(parts: tuple[str, ...]) -> tuple[Optional[str], Optional[str]]:
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
_PARENTS = {"docker", "libpod_parent", "ecs", "buildkit", "k8s.io", "moby", "actions_job"}  # of containers' own cgroups
_Maker = Callable[[Match[str], CgroupPlace], Optional[Owner]]


def _container(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    prefix = match.groupdict().get("runtime")
    if prefix is None and not (place.pod or _PARENTS & set(place.above)):
        return None  # some hexadecimal name
    runtime = _RUNTIMES.get(prefix or place.parent) or {"libpod_parent": "podman", "buildkit": "buildkit"}.get(
        place.parent)
    id = match["id"]
    kind = "container's monitor" if match.groupdict().get("monitor") else "container"
    said = f"{kind} {id[:12]}"
    if runtime:
        said += f" ({runtime})"
    if place.pod:
        said += f" of pod {place.pod} ({place.qos})"
    return Owner(kind, said, runtime, id, place.pod, place.qos)


def _pod_itself(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    return Owner("pod", f"pod {place.pod} ({place.qos})", pod_uid=place.pod, qos=place.qos) if place.pod else None


def _qos(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    if not any(part.startswith("kubepods") for part in place.above) and not match[0].startswith("kubepods"):
        return None
    return Owner("QoS class", f"the cgroup of all {match['name']} pods", qos=match["name"])


def _lxc(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    return Owner("container", f"container {match['name']} (LXC)", "LXC", match["name"])


def _lxc_monitor(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    return Owner("container's monitor", f"the monitor of container {match['name']} (LXC)", "LXC", match["name"])


def _lxc_below(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    if place.parent == "lxc.monitor":
        return _lxc_monitor(match, place)
    return _lxc(match, place) if place.parent in ("lxc", "lxc.payload") else None


def _machine(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    name = unescape(match["name"])
    driver = re.match(r"(qemu|lxc)-\d+-(.+)", name)
    if driver:
        said = f"virtual machine {driver[2]}" if driver[1] == "qemu" else f"container {driver[2]} (libvirt)"
        return Owner("VM" if driver[1] == "qemu" else "container", said, unit=match[0])
    return Owner("container", f"container {name} (systemd-machined)", "systemd", name, unit=match[0])


def _nspawn(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    name = unescape(match["name"])
    if match["type"] == "vmspawn":
        return Owner("VM", f"virtual machine {name}", unit=match[0])
    return Owner("container", f"container {name} (systemd-nspawn)", "systemd", name, unit=match[0])


def _vm_of_proxmox(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    of_proxmox = place.parent == "qemu.slice"
    return Owner("VM", f"virtual machine {match['name']}", unit=match[0]) if of_proxmox else None


def _libvirt(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    """libvirt without systemd-machined: /machine/3-db.libvirt-qemu, /machine/qemu-3-db.libvirt-qemu."""
    name = re.sub(r"^(?:(?:qemu|lxc)-)?\d+-", "", match["name"])
    if match["type"] == "qemu":
        return Owner("VM", f"virtual machine {name}")
    return Owner("container", f"container {name} (libvirt)")


def _libvirt_below(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    """libvirt before 1.0.5: /libvirt/qemu/db."""
    if place.above[-2:] not in (("libvirt", "qemu"), ("libvirt", "lxc")):
        return None
    return Owner("VM", f"virtual machine {match[0]}") if place.parent == "qemu" else Owner(
        "container", f"container {match[0]} (libvirt)")


# Batch jobs, a level each: (system, the level, a level above it). Levels are named as the systems' own sources and
# manuals do: Slurm's cgroup/v1 and v2 plugins, the cgroups hook of PBS, LSF's job.ID.PID.TIME, Grid Engine's cgroup
# path UGE/JOB.TASK, Torque, OAR.
_JOBS: tuple[tuple[str, str, str], ...] = (
    ("Slurm", r"job_(?P<name>\d+)", r"slurm(?:_.+)?|(?:.+_)?slurmstepd\.scope"),
    ("PBS", r"(?P<name>\d+(?:\[\d*\])?(?:\..+)?)(?:\.slice)?", r"pbs_jobs(?:\.service|\.slice)?|(?:open)?pbs(?:pro)?"
                                                               r"(?:\.service|\.slice)?"),
    ("PBS", r"pbs(?:pro|_jobs)-(?P<name>\d.*)\.slice", r"pbs.*"),
    ("Torque", r"(?P<name>\d+(?:\[\d*\])?(?:\..+)?)", r"torque"),
    ("LSF", r"job\.(?P<name>\d+(?:\[\d+\])?)(?:\..+)?", r"lsf"),
    ("Grid Engine", r"(?:job_?)?(?P<name>\d+(?:\.\d+)?)(?:\.undefined)?", r"(?i:[us]?ge|ocs|gcs)"),
    ("OAR", r".+_(?P<name>\d+)", r"oar"),
)


def _job_of(system: str, above: str) -> _Maker:
    def make(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
        if not place.below(above):
            return None
        return Owner("job", f"job {unescape(match['name'])} ({system}){place.of_user}")

    return make


def _step(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    """Of a Slurm job, which encloses it."""
    if place.above:
        return None
    name = match["name"]
    return Owner("step", f"step {name}" if name.isdigit() else f"the {name} step")


def _all_jobs(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    slurm = place.below(r"slurm(?:_.+)?")
    return Owner("jobs", f"all jobs of user {match['name']} (Slurm)") if slurm else None


def _slot(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    """HTCondor names a job's cgroup by its directory and its slot."""
    return Owner("job", f"the job in {match['name']} (HTCondor)")


def _yarn(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    return Owner("job", f"{match[0]} of application_{match['name']} (YARN)")


def _nomad(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    if not place.below(r"nomad(?:\.slice)?"):
        return None
    return Owner("job", f"task {match['name']} of allocation {match['id'][:8]} (Nomad)", unit=match[0])


def _session(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    return Owner("session", f"login session {match['name']}{place.of_user}", unit=match[0])


def _user(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    return Owner("user", f"everything of user {match['name']}", unit=match[0])


def _user_manager(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    return Owner("user", f"the service manager of user {match['name']}", unit=match[0])


def _snap(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    """snapd: snap.NAME.APP.service, snap.NAME.APP-UUID.scope; newer ones put a dot before the UUID."""
    name, app = match["name"], match["app"]
    named = f"snap {name}" if app in (None, name) else f"{app} of snap {name}"
    return Owner("snap", named + place.of_user, unit=match[0])


def _application(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    """systemd's "Desktop Environment Integration": app[-LAUNCHER]-ID-RANDOM.scope, app[-LAUNCHER]-ID[@RANDOM].service;
    blanks and dashes in the id are escaped."""
    if not place.below(r"user@\d+\.service|user\.slice"):
        return None  # a service of the machine whose name begins so
    launcher, _, name = match["name"].rpartition("-")
    kind = "flatpak" if launcher == "flatpak" else "application"
    return Owner(kind, f"{kind} {unescape(name)}{place.of_user}", unit=match[0])


def _unit(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    kind, name = match["type"], unescape(match[0])
    manager = place.below(r"user@\d+\.service")  # a unit of that user, of which each may have one
    return Owner(kind, f"{kind} {name}{place.of_user if manager else ''}", unit=match[0])


def _scheduler(match: Match[str], place: CgroupPlace) -> Optional[Owner]:
    what = {"mesos": "Mesos container", "ecs": "ECS task", "garden": "garden container",
            "firecracker": "virtual machine"}.get(place.parent)
    if what is None:
        return None
    kind = {"ecs": "task", "firecracker": "VM"}.get(place.parent, "container")
    return Owner(kind, f"{what} {match[0]}", place.parent, match[0])


_RUNTIME = "|".join(sorted(_RUNTIMES, key=len, reverse=True))
_RULES: tuple[tuple[Pattern[str], _Maker], ...] = tuple(
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
        (r"lxc\.monitor\.(?P<name>.+)", _lxc_monitor),
        (r"(?P<name>[^/]+)", _lxc_below),
        (r"machine-(?P<name>.+)\.scope", _machine),
        (r"systemd-(?P<type>nspawn|vmspawn)@(?P<name>.+)\.service", _nspawn),
        (r"(?P<name>\d+)\.scope", _vm_of_proxmox),
        (r"(?P<name>.+)\.libvirt-(?P<type>qemu|lxc)", _libvirt),
        (r".+", _libvirt_below),
        *((level, _job_of(system, above)) for system, level, above in _JOBS),
        (r"step_(?P<name>\w+)", _step),
        (r"uid_(?P<name>\d+)", _all_jobs),
        (r"condor_.*_(?P<name>slot\d+(?:_\d+)*)(?:@.*)?", _slot),
        (r"container_(?:e\d+_)?(?P<name>\d+_\d+)_\d+_\d+", _yarn),
        (rf"(?P<id>{_UUID})\.(?P<name>.+?)(?:\.scope)?", _nomad),
        (r"session-(?P<name>[^.]+)\.scope", _session),
        (r"(?P<name>c?\d+)\.session", _session),  # systemd before 205
        (r"user-(?P<name>\d+)\.slice", _user),
        (r"user@(?P<name>\d+)\.service", _user_manager),
        (rf"snap\.(?P<name>[^.]+)(?:\.(?P<app>.+?))?(?:[-.]{_UUID})?\.(?:scope|service|slice)", _snap),
        (r"app-(?P<name>[^@]+?)(?:-[0-9a-f]+\.scope|(?:@.*)?\.service|\.slice)", _application),
        (r".+\.(?P<type>service|scope|slice|socket|mount|swap)", _unit),
        (r".+", _scheduler),
    )
)


def described(path: str) -> str:
    """The path, ids shortened, and whose it is: "/docker/0123456789ab... (container 0123456789ab (docker))"."""
    found = owner(path)
    if found is None or _says_itself(path, found):
        return path
    return f"{shortened(path)} ({found.text})"


def shortened(path: str) -> str:
    """The path with the ids of containers cut to what people use of them."""
    return re.sub(r"([0-9a-f]{12})[0-9a-f]{52}", r"\1...", path)


def _says_itself(path: str, found: Owner) -> bool:
    """The path of a unit, a session or a user's slice of the machine itself is plain as it stands."""
    plain = found.kind in _UNITS or found.kind in ("session", "user")
    return plain and not found.enclosed and found.unit == path.rsplit("/", 1)[-1]


def short(path: str) -> str:
    """For a headline: whose it is, or the path."""
    found = owner(path)
    return path if found is None else found.text


def levels_between(ancestor: str, path: str) -> Optional[int]:
    """How many levels ``path`` is below ``ancestor``: 0 the same, None not below it."""
    above = [part for part in ancestor.split("/") if part]
    below = [part for part in path.split("/") if part]
    return len(below) - len(above) if below[: len(above)] == above else None

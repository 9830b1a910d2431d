"""Who a process is: its command line, its executable, its parent, its age, its user, its unit and its session."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Optional

from oomtrace.model import Aspect, Identity, Missed

from . import proc
from .memcgs import Memcgs
from .meter import Meter
from .mounts import Mounts
from .proc import Process
from .secrets import masked
from .tree import Foreign, plain, text

_CMDLINE = 1 << 13
_USERS = 1 << 16
_KEPT = 256  # containers whose users are remembered
_NOBODY = 4294967295  # loginuid of what no login has started

_UNIT = re.compile(r".+\.(?:service|scope|socket|mount|swap)")
_SESSION = re.compile(r"session-(.+)\.scope")


class People:
    """Tells who processes are. ``cmdline`` False: no command line is read."""

    def __init__(self, root: str, memcgs: Memcgs, host: Mounts, cmdline: bool) -> None:
        self._root = root.rstrip("/")
        self._memcgs = memcgs
        self._host = host
        self._cmdline = cmdline
        self._users: dict[str, Mapping[int, str]] = {}
        self.host_ns = _own(self._root)  # the mount namespace of this machine itself

    def identity(self, process: Process, now_ns: int, meter: Meter) -> Optional[Identity]:
        """Who it is; None if it has gone."""
        stat = proc.stat(process)
        if stat is None:
            meter.cut(Aspect.WHO, Missed.GONE, f"process {process.pid}")
            return None
        status = proc.status(process)
        cmdline, hidden = self._arguments(process, meter)
        uid = _second(status.get("Uid"))
        user, source = self._user(process, uid, meter)
        cgroup = self._memcgs.path_of(process.text("cgroup") or "")
        unit, slice, session = units(cgroup or "")
        exe = process.link("exe")
        if exe is None and cmdline:
            meter.cut(Aspect.WHO, Missed.DENIED, f"exe of {process.pid}")
        score = process.text("oom_score_adj", 16)
        return Identity(
            process.pid, stat.comm, cmdline, hidden, exe, stat.parent,
            proc.comm_of(self._root, stat.parent) if stat.parent else None, stat.start_ns,
            max(0, now_ns - stat.start_ns) if stat.start_ns is not None else None, uid, user, source,
            tuple(int(each) for each in status.get("NSpid", "").split()), cgroup, unit, slice, session,
            self._login(process), rss_kb=proc.kb(status.get("VmRSS")),
            oom_score_adj=int(score) if score and score.strip().lstrip("-").isdigit() else None,
            source=f"/proc/{process.pid}", time_ns=now_ns,
        )

    def _arguments(self, process: Process, meter: Meter) -> tuple[Optional[tuple[str, ...]], Optional[int]]:
        if self._cmdline and meter.spare:
            meter.cut(Aspect.WHO, Missed.SPARED, "command lines")
        data = process.read("cmdline", _CMDLINE) if self._cmdline and not meter.spare else None
        if not data:
            return None, None
        return masked([text(each) for each in data.rstrip(b"\0").split(b"\0")])

    def _login(self, process: Process) -> Optional[str]:
        said = (process.text("loginuid", 16) or "").strip()
        if not said.isdigit() or int(said) == _NOBODY:
            return None
        return self._of_host().get(int(said), said)

    def _of_host(self) -> Mapping[int, str]:
        """Read anew each time: it is short, and users come."""
        return users(text(plain(f"{self._root}/etc/passwd", _USERS) or b""))

    def _user(self, process: Process, uid: Optional[int], meter: Meter) -> tuple[Optional[str], Optional[str]]:
        """The user's name, and in whose list it stands: that of the root in which the process lives."""
        if uid is None:
            return None, None
        mounts, root = process.link("ns/mnt"), process.link("root")
        if mounts is None or (mounts == self.host_ns and root in ("/", None)):
            name = self._of_host().get(uid)
            return name, "/etc/passwd" if name is not None else None
        inner = mapped(uid, process.text("uid_map") or "")
        known = self._within(process, f"{mounts} {root}", meter)
        name = known.get(inner) if known is not None and inner is not None else None
        return name, f"/proc/{process.pid}/root/etc/passwd" if name is not None else None

    def _within(self, process: Process, key: str, meter: Meter) -> Optional[Mapping[int, str]]:
        if key in self._users:
            return self._users[key]
        found: Optional[Mapping[int, str]] = None
        try:
            with process.tree(self._host) as tree:
                data = tree.read("/etc/passwd", _USERS)
            meter.bytes += len(data)
            found = users(text(data))
        except Foreign:
            meter.cut(Aspect.WHO, Missed.FOREIGN, f"/etc/passwd of {process.pid}")
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                meter.cut(Aspect.WHO, Missed.DENIED, f"/etc/passwd of {process.pid}")
                return None
            found = {}  # an image need not have one
        if found is not None:
            while len(self._users) >= _KEPT:
                del self._users[next(iter(self._users))]
            self._users[key] = found
        return found


def _own(root: str) -> Optional[str]:
    """The mount namespace of this process, or of process "self" in a tree that is laid out."""
    with suppress(OSError):
        return os.readlink(f"{root}/proc/self/ns/mnt")
    return None


def _second(value: Optional[str]) -> Optional[int]:
    """``Uid:  real effective saved fs``."""
    fields = (value or "").split()
    return int(fields[1]) if len(fields) > 1 and fields[1].isdigit() else None


def users(content: str) -> Mapping[int, str]:
    """passwd(5): name by uid, the first of several."""
    found: dict[int, str] = {}
    for line in content.splitlines():
        fields = line.split(":")
        if len(fields) >= 3 and fields[2].isdigit():
            found.setdefault(int(fields[2]), fields[0])
    return found


def mapped(uid: int, uid_map: str) -> Optional[int]:
    """A uid of the machine as its user namespace has it (user_namespaces(7)); None if it is not mapped there."""
    for line in uid_map.splitlines():
        fields = line.split()
        if len(fields) == 3 and all(each.isdigit() for each in fields):
            inner, outer, length = map(int, fields)
            if outer <= uid < outer + length:
                return inner + uid - outer
    return None


def units(cgroup: str) -> tuple[Optional[str], Optional[str], Optional[str]]:
    """systemd's unit, slice and login session by the names of the levels: the deepest of each."""
    unit = slice = session = None
    for part in cgroup.split("/"):
        if part.endswith(".slice"):
            slice = part
        elif _UNIT.fullmatch(part):
            unit = part
            found = _SESSION.fullmatch(part)
            session = found[1] if found else session
    return unit, slice, session

"""What systemd-oomd notes on a cgroup that it kills: extended attributes, gone with the cgroup (systemd,
src/oom/oomd-util.c, increment_oomd_xattr)."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Optional

from oomtrace.model import OomEvent

_CGROUPS = "/sys/fs/cgroup"
_KILLS = "user.oomd_kill"


def oomd_kills(event: OomEvent) -> Optional[int]:
    """How many processes systemd-oomd has killed so far in the cgroup of the first victim, or in the one above where it
    has noted that. None if it has not, or the cgroup is gone."""
    killed = event.killed
    if killed is None or killed.sender is None or killed.sender.comm != "systemd-oomd" or not killed.victims:
        return None
    path = (killed.victims[0].memcg or "").rstrip("/")
    while path:
        with suppress(OSError, ValueError):
            return int(os.getxattr(_CGROUPS + path, _KILLS))
        path = path.rpartition("/")[0]
    return None

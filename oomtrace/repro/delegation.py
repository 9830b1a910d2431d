"""Where systemd manages the cgroups: a part of its tree that is ours.

Version 2 wants one manager for each part of the tree. In a cgroup that systemd has not made it takes controllers away
when its own units need them no more; a scope with Delegate= it leaves alone (systemd.io/CGROUP_DELEGATION).
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .cgroups import Hierarchy
from .journal import UndoJournal

BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_SECONDS = 30.0


@contextmanager
def scope(name: str, hierarchy: Hierarchy, journal: UndoJournal) -> Iterator[str]:
    """Path of a cgroup under which others may be made; empty, for the root, where there is no systemd to ask.

    It is a scope unit whose only process waits for our end in a cgroup of its own: with processes in it, a cgroup can
    give its controllers to none below it. Asking takes root.
    """
    if hierarchy.version == 1 or not BOOTED.is_dir() or os.geteuid() or not shutil.which("systemd-run"):
        yield ""
        return
    words = ["systemd-run", "--quiet", "--scope", "--collect", f"--unit={name}", "-p", "Delegate=yes", "--"]
    words += ["sh", "-c", "echo; exec cat"]  # the other end of its standard input closes with this process
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as waiting:
        yield _entered(waiting, hierarchy, journal)


def _entered(waiting: "subprocess.Popen[bytes]", hierarchy: Hierarchy, journal: UndoJournal) -> str:
    """The scope's path once it has been made; empty if systemd made none."""
    assert waiting.stdout
    if not select.select([waiting.stdout], [], [], _SECONDS)[0] or waiting.stdout.read(1) != b"\n":
        waiting.kill()
        return ""
    lines = Path(f"/proc/{waiting.pid}/cgroup").read_text().splitlines()
    path = next(line[len("0::"):] for line in lines if line.startswith("0::"))
    folder = hierarchy.folder("memory", path)
    journal.note("cgroup", str(folder))
    (folder / "waiting").mkdir()
    (folder / "waiting" / "cgroup.procs").write_text(str(waiting.pid))
    return path

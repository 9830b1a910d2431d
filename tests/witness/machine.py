"""Lays out a machine under a folder: /proc of processes, cgroup folders, the state of container runtimes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

ROOT_MOUNT = "22 1 254:0 / / rw,noatime - ext4 /dev/root rw\n"
CGROUP2 = "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
MEMORY1 = "31 22 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
HOST_NS = "mnt:[4026531841]"


class Machine:
    """A machine to read from: ``Reader(str(machine.root))``."""

    def __init__(self, root: Path, mounts: str = ROOT_MOUNT + CGROUP2) -> None:
        self.root = root
        self.file("proc/self/mountinfo", mounts)
        self.link("proc/self/ns/mnt", HOST_NS)
        self.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nshop:x:1000:1000::/home/shop:/bin/sh\n")

    def file(self, path: str, content: Any) -> Path:
        """A file with text, or with JSON of anything else."""
        where = self.root / path.lstrip("/")
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(content if isinstance(content, bytes) else
                          (content if isinstance(content, str) else json.dumps(content)).encode())
        return where

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        where = self.root / path.lstrip("/")
        where.parent.mkdir(parents=True, exist_ok=True)
        where.symlink_to(target)

    def process(
        self, pid: int, comm: str = "python3", cmdline: Sequence[str] = ("python3",), parent: int = 1,
        cgroup: str = "/", uid: int = 0, rss_kb: int = 1024, start_ticks: int = 100, ns_pids: Sequence[int] = (),
        ns: str = HOST_NS, rootfs: Optional[Path] = None, mounts: str = ROOT_MOUNT, uid_map: str = "0 0 4294967295\n",
        exe: str = "/usr/bin/python3.11",
    ) -> Path:
        """A process, and its pid in its memcg's list."""
        folder = f"proc/{pid}"
        fields = ["S", str(parent), *["0"] * 17, str(start_ticks), "0", str(rss_kb // 4), *["0"] * 20]
        self.file(f"{folder}/stat", f"{pid} ({comm}) {' '.join(fields)}\n")
        self.file(f"{folder}/comm", comm + "\n")
        self.file(f"{folder}/cmdline", b"\0".join(word.encode() for word in cmdline) + b"\0")
        pids = " ".join(map(str, ns_pids or (pid,)))
        self.file(f"{folder}/status", f"Name:\t{comm}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nNSpid:\t{pids}\n"
                                      f"VmRSS:\t{rss_kb} kB\n")
        self.file(f"{folder}/statm", f"{rss_kb // 2} {rss_kb // 4} 0 0 0 0 0\n")
        self.file(f"{folder}/cgroup", f"0::{cgroup}\n")
        self.file(f"{folder}/oom_score_adj", "0\n")
        self.file(f"{folder}/loginuid", "4294967295\n")
        self.file(f"{folder}/mountinfo", mounts)
        self.file(f"{folder}/uid_map", uid_map)
        self.link(f"{folder}/exe", exe)
        self.link(f"{folder}/ns/mnt", ns)
        self.link(f"{folder}/root", "/" if rootfs is None else str(rootfs))
        procs = self.root / "sys/fs/cgroup" / cgroup.strip("/") / "cgroup.procs"
        procs.parent.mkdir(parents=True, exist_ok=True)
        with procs.open("a") as file:
            file.write(f"{pid}\n")
        return self.root / folder


def fifo(path: Path) -> None:
    """Something that a careless reader would wait for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)

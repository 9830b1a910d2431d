"""What an event of dying.py should have of what died, and has not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from dying_work import BALLOON, LIMIT, LIMITS, THREADS

Json = dict[str, Any]
Checks = Iterator[tuple[str, Any]]


class Seen:
    """An event, and looks at its memcg, the last first, which have a process ``pid`` in them."""

    def __init__(self, name: str, memcg: str, entry: Json, looks: list[Json]) -> None:
        self.name, self.memcg, self.event, self.looks = name, memcg, entry["event"], looks
        self.said = {finding["id"]: finding["sentence"] for finding in entry["explanation"]["findings"]}
        self.pid = self.event["report"]["kills"][0]["pid"]
        self.by_kernel: list[Json] = (self.event["witness"] or {}).get("tasks", [])
        self.task: Json = {}  # what any of them knows of it
        for task in [*self.by_kernel, *(task for look in looks for task in look["tasks"])]:
            if task["pid"] == self.pid:
                self.task.update({name: value for name, value in task.items() if value and not self.task.get(name)})

    @property
    def memory(self) -> list[Json]:
        """What the memory of the victim is."""
        return [each for look in self.looks for each in look["anonymous"] if each["pid"] == self.pid]

    def rows(self, area: str) -> list[Json]:
        """Its mappings of a kind."""
        return [row for each in self.memory[:1] for row in each["mappings"] if row["area"] == area]

    def kb(self, *areas: str) -> int:
        """What of them is resident or in swap, by the look that saw most of it."""
        return max((sum(size_kb(row) for row in each["mappings"] if row["area"] in areas) for each in self.memory),
                   default=0)

    @property
    def files(self) -> dict[str, Json]:
        """On tmpfs and the like, by name, as the earliest look saw them: at the OOM its process may be gone."""
        found = [file for look in self.looks if look["shared"] for file in look["shared"]["files"]]
        return {file["name"]: file for file in found}

    @property
    def items(self) -> list[Json]:
        """Of the kernel's memory."""
        return [item for look in self.looks if look["kernel"] for item in look["kernel"]["items"]]

    def usage_kb(self, memcg: str) -> list[int]:
        """Of a memcg by the second."""
        return [moment["usage_kb"] for each in self.event["trace"]["history"] if each["memcg"] == memcg
                for moment in each["seconds"]]

    def held_by_victim(self, found: Json) -> bool:
        """And by nobody else."""
        return [one["pid"] for one in found.get("holders", [])] == [self.pid]


def size_kb(row: Json) -> int:
    """Of mappings of a kind: what is resident, or in swap."""
    return int((row["rss_kb"] or 0) + (row["swap_kb"] or 0))


def missing(seen: Seen) -> list[str]:
    """What is."""
    checks = list(CHECKS.get(seen.name, nothing)(seen))
    if seen.name not in ("machine", "short"):
        checks += list(everywhere(seen))
    return [what for what, there in checks if not there]


def nothing(seen: Seen) -> Checks:
    yield from ()


def everywhere(seen: Seen) -> Checks:
    """Who it was, and what had happened before."""
    words, own = seen.task.get("cmdline") or [], (seen.event["witness"] or {}).get("looks", [])
    usage_kb, limit = seen.usage_kb(seen.memcg), LIMITS.get(seen.name, LIMIT)
    glances = (seen.event["witness"] or {}).get("glances", [])
    yield "command line", "--child" in words
    yield "secret masked", words[-1:] == ["***"]
    yield "user", seen.task.get("user") == "root" or seen.name == "stuck"
    yield "parent", seen.task.get("parent_comm")
    yield "executable", seen.task.get("exe")
    yield "age", seen.task.get("age_ns")
    yield "look before", any(look["occasion"] == "near limit" for look in own)
    yield "history", len(usage_kb) >= 2
    yield "history's end", usage_kb and 0.97 * limit < usage_kb[-1] * 1024 <= limit
    yield "what is said of it", "history" in seen.said
    yield "charges by the second", [sum(each["by_second_pages"]) for each in seen.event["trace"]["growth"]
                                    if each["pid"] == seen.pid and len(each["by_second_pages"]) > 1]
    yield "glances", any(each["stat_kb"]["anon"] + each["stat_kb"]["file"] > 16 << 10 for each in glances)
    yield "pressure", any(each["pressure"] for each in glances)


def who(seen: Seen) -> Checks:
    told = [look["tasks"] for look in seen.looks]
    sizes = [[task["rss_kb"] for task in tasks] for tasks in told if len(tasks) >= 10]
    yield "pids", len(seen.task.get("ns_pids", [])) == 2 and seen.task["ns_pids"][0] == seen.pid
    yield "ten largest", sizes
    yield "largest first", sizes and sizes[0][0] == max(sizes[0])
    yield "parent by the kernel", [task for task in seen.by_kernel if task["pid"] == seen.pid and task["parent_pid"]]


def short(seen: Seen) -> Checks:
    """Nobody had time to look while it lived: what the kernel's structures told."""
    task = next((task for task in seen.by_kernel if task["pid"] == seen.pid), {})
    yield "command line", task.get("cmdline") == ["tail", "--follow", "/dev/zero"]
    yield "executable", (task.get("exe") or "").endswith("/tail")
    yield "parent", task.get("parent_pid")
    yield "age", 0 < (task.get("age_ns") or 0) < 60e9
    yield "pids", task.get("ns_pids") == [seen.pid]
    yield "user id", task.get("uid") == 0


def children(seen: Seen) -> Checks:
    two = seen.usage_kb(f"{seen.memcg}/two")
    glances = seen.event["witness"]["glances"]
    yield "history of the largest child", len(two) >= 2 and two[-1] > 24 << 10
    other = seen.usage_kb(f"{seen.memcg}/one")  # neither the victim's nor the trigger's
    yield "history of the other", other and max(other) >= 15 << 10
    names = [{child["name"] for child in each["children"]} for each in glances]
    yield "children at a glance", {"one", "two"} in names


def heap(seen: Seen) -> Checks:
    yield "mappings", seen.kb("heap", "Python arenas", "anonymous") > 20 << 10
    yield "threads", any(each["threads"] == THREADS + 1 for each in seen.memory)
    yield "their stacks", any(sum(row["count"] for row in each["mappings"] if row["area"] == "thread stacks") == THREADS
                              for each in seen.memory)  # the last look may find them reaped: too small to be listed


def mapped(seen: Seen) -> Checks:
    """What the kernel could not give is not asked for."""
    lacking = json.loads(Path("/root/lacking-mapped").read_text())
    rows = [row for each in seen.memory for row in each["mappings"]]
    found = {
        "named": any(row["name"] == "order cache" and row["area"] == "named" for row in rows),
        "memfd": any(row["name"] == "memfd:frames" and size_kb(row) >= 3 << 10 for row in rows),
        "locked": any((each["locked_kb"] or 0) >= 2 << 10 for each in seen.memory),
        "huge": any((each["huge_kb"] or 0) >= 2 << 10 for each in seen.memory),
        "swapped": any((each["swap_kb"] or 0) >= 1 << 10 for each in seen.memory),
        "malloc": seen.kb("malloc arenas") >= 3 << 10,
        "shared": seen.kb("shared anonymous") >= 2 << 10,
    }
    yield from ((name, there) for name, there in found.items() if name not in lacking)


def tmpfs(seen: Seen) -> Checks:
    ring, frames = seen.files.get("/dev/shm/ring", {}), seen.files.get("memfd:frames", {})
    yield "ring", ring.get("kb", 0) >= 24 << 10
    yield "in nobody", ring.get("holders") == []
    yield "age", ring.get("age_ns")
    yield "memfd", frames.get("kb") == 6 << 10
    yield "memfd's holder", seen.held_by_victim(frames)
    yield "mount", [mount for look in seen.looks if look["shared"] for mount in look["shared"]["mounts"]
                    if mount["path"] == "/dev/shm" and mount["used_kb"]]


def sysv(seen: Seen) -> Checks:
    held, left, gone = (seen.files.get(name, {}) for name in ("SYSV00005100", "SYSV00005101", "/dev/shm/gone"))
    yield "segment", held.get("kb") == 8 << 10 and seen.held_by_victim(held)
    yield "segment in nobody", left.get("kb") == 8 << 10 and left.get("holders") == [] and left["holders_known"]
    yield "deleted but open", gone.get("kb") == 8 << 10 and gone["deleted"] and seen.held_by_victim(gone)


def cache(seen: Seen) -> Checks:
    files = {one["path"]: one for look in seen.looks if look["cache"] for one in look["cache"]["files"]
             if one["cached_kb"] > 1 << 10}
    written, alone = files.get("/root/half-written", {}), files.get("/root/mapped-alone", {})
    yield "file", written.get("cached_kb", 0) > 10 << 10
    yield "who", seen.held_by_victim(written)
    yield "mapped file", alone.get("cached_kb", 0) > 2 << 10 and seen.held_by_victim(alone)
    yield "dirty", [look for look in seen.looks if look["cache"] and look["cache"]["dirty_kb"] is not None]
    if hasattr(os, "uname") and tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 5):
        yield "cachestat", written.get("source") == "cachestat" and written["dirty_kb"] is not None


def sockets(seen: Seen) -> Checks:
    own = [item for item in seen.items if item["use"] == "socket" and seen.held_by_victim(item)]
    yield "sockets", sum(item["kb"] for item in own) > 200


def pipes(seen: Seen) -> Checks:
    own = [item for item in seen.items if item["use"] == "pipe" and seen.held_by_victim(item)]
    yield "pipes", len(own) >= 5 and all(item["kb"] >= 900 for item in own)


def stuck(seen: Seen) -> Checks:
    yield "told while nothing answers", Path("/root/stuck-for").read_text() != "None"
    yield "foreign", [cut for look in seen.looks for cut in look["cut"] if cut["why"] == "foreign"]


def unit(seen: Seen) -> Checks:
    yield "unit", seen.task.get("unit") == "etl-load.service"
    yield "slice", seen.task.get("slice") == "shop.slice"


def session(seen: Seen) -> Checks:
    yield "session", seen.task.get("session") == "7"
    yield "slice", seen.task.get("slice") == "user-1000.slice"
    yield "who logged in", seen.task.get("login_user") == "root"


def go(seen: Seen) -> Checks:
    yield "Go's heap", seen.kb("Go heap") > 20 << 10


def jvm(seen: Seen) -> Checks:
    heap = seen.rows("JVM heap")
    yield "JVM's heap", sum(row["size_kb"] for row in heap) >= 160 << 10 and seen.kb("JVM heap") > 80 << 10


def machine(seen: Seen) -> Checks:
    """What this machine has of it, of the first look that saw the kernel's part."""
    whole = next((look["kernel"] for look in seen.looks if look["memcg"] is None and look["kernel"]), None)
    yield "look", whole
    if whole is None:
        return
    uses = {(item["use"], item["source"]): item for item in seen.items}
    yield "looks", (seen.event["witness"] or {}).get("looks", [])
    yield "slab caches", ("slab", "/proc/slabinfo") in uses
    yield "vmalloc by caller", ("vmalloc", "/proc/vmallocinfo") in uses
    for use in ("percpu", "page tables", "kernel stacks"):
        yield use, (use, "/proc/meminfo") in uses
    pools = [item for item in seen.items if item["use"] == "hugetlb"]
    pools.sort(key=lambda item: not item["holders"])  # the look that had time to ask who uses them is enough
    yield "hugetlb", pools and pools[0]["count"] >= 2 and "in use" in pools[0]["name"]
    yield "who uses it", pools and [one["comm"] for one in pools[0]["holders"]] == ["huge-user"]
    if os.path.exists("/sys/block/zram0"):
        yield "zram", [item for item in seen.items if item["use"] == "zram" and item["kb"]]
    if os.path.exists("/root/zswap") and "Zswap:" in Path("/proc/meminfo").read_text():
        yield "zswap", ("zswap", "/proc/meminfo") in uses
    if "cma=" in Path("/proc/cmdline").read_text() and "CmaTotal:" in Path("/proc/meminfo").read_text():
        yield "CMA", ("CMA", "/proc/meminfo") in uses
    if os.path.exists("/proc/allocinfo"):
        yield "allocations", ("allocation", "/proc/allocinfo") in uses
    if os.path.exists("/root/balloon"):
        yield "balloon", [item for item in seen.items if item["use"] == "balloon" and item["kb"] >= BALLOON >> 10]
    yield "unexplained", whole["unexplained_kb"] is not None and whole["unexplained_kb"] >= 0


CHECKS: dict[str, Callable[[Seen], Checks]] = {
    "who": who, "short": short, "children": children, "heap": heap, "mapped": mapped, "tmpfs": tmpfs, "sysv": sysv,
    "cache": cache, "sockets": sockets, "pipes": pipes, "stuck": stuck, "unit": unit, "session": session, "go": go,
    "jvm": jvm, "machine": machine,
}

"""What the kernel's part of the whole machine's memory is, and what no counter has of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Optional

from oomtrace.model import Aspect, Holder, KernelItem, KernelMemory, KernelUse, Missed

from .meter import Meter
from .tree import plain, text

_LISTED = 8
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
_SLAB_LINE = re.compile(r"^(\S+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) : .*: slabdata +(\d+) +(\d+)", re.MULTILINE)

# /proc/meminfo: what does not overlap (mm/show_mem.c, fs/proc/meminfo.c). Slab has no kernel stacks in it; Percpu and
# VmallocUsed count what they have taken as pages.
_LISTS = ("Active(anon)", "Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable")
_KERNEL = ("Slab", "KernelStack", "PageTables", "SecPageTables", "VmallocUsed", "Percpu", "Zswap", "Hugetlb")

# Where in the source pages are taken for processes and for files. What else is taken there is little.
_OF_PROCESSES = tuple(f"mm/{name}.c:" for name in (
    "memory", "huge_memory", "shmem", "filemap", "readahead", "swap_state", "mempolicy", "migrate", "hugetlb"))


class Kernel:
    """Reads it, look by look: what one had no time for is read first by the next. ``root``: the folder that has /proc,
    /sys and the rest of the machine."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/")
        self._left_out: set[str] = set()

    def memory(self, meter: Meter, now_ns: int, share: float = 0.5) -> KernelMemory:
        """Each kind within the budget, of which it takes about that share: the rest is for processes. First what takes
        next to no time."""
        info = meminfo(text(plain(f"{self._root}/proc/meminfo") or b""))
        items: list[KernelItem] = []
        left_ns, last = int(meter.left_ns * (1 - share)), self._left_out
        self._left_out = set()
        for ask in (*_QUICK, *sorted(_SLOW, key=lambda ask: ask.__name__ not in last)):
            if meter.left_ns > left_ns:
                items += ask(self._root, info, meter)
            else:
                meter.cut(Aspect.KERNEL, Missed.BUDGET, ask.__name__.strip("_").replace("_", " "))
                self._left_out.add(ask.__name__)
        used = [item.source for item in items if item.use is KernelUse.HUGETLB and item.holders]
        items = [item for item in items if item.source not in used or item.holders]
        return KernelMemory(tuple(items), unexplained_kb(info, items), info, now_ns)


def meminfo(content: str) -> Mapping[str, int]:
    """/proc/meminfo in kB (HugePages_… are counts)."""
    found = {}
    for line in content.splitlines():
        name, _, value = line.partition(":")
        number = value.split()[0] if value.split() else ""
        if number.isdigit():
            found[name] = int(number)
    return found


def unexplained_kb(info: Mapping[str, int], items: list[KernelItem]) -> Optional[int]:
    """What is neither free, nor on a list, nor counted as one of the kernel's own; None without the counters."""
    if "MemTotal" not in info or not all(name in info for name in _LISTS):
        return None
    counted = sum(info.get(name, 0) for name in ("MemFree", *_LISTS, *_KERNEL))
    pools = sum(item.kb for item in items if item.counted and item.use in (
        KernelUse.ZRAM, KernelUse.BALLOON, KernelUse.ARC, KernelUse.DRM))
    return info["MemTotal"] - counted - pools


def _counters(root: str, info: Mapping[str, int], meter: Meter) -> Iterator[KernelItem]:
    """Counters of /proc/meminfo as they are."""
    for use, name in ((KernelUse.SLAB, "Slab"), (KernelUse.VMALLOC, "VmallocUsed"), (KernelUse.PERCPU, "Percpu"),
                      (KernelUse.PAGE_TABLES, "PageTables"), (KernelUse.STACKS, "KernelStack"),
                      (KernelUse.ZSWAP, "Zswap")):
        if info.get(name):
            yield KernelItem(use, info[name], source="/proc/meminfo")
    if info.get("CmaTotal"):
        used = info["CmaTotal"] - info.get("CmaFree", 0)
        yield KernelItem(KernelUse.CMA, used, source="/proc/meminfo", counted=False)  # movable pages are in it too


def _hugetlb(root: str, info: Mapping[str, int], meter: Meter) -> Iterator[KernelItem]:
    """Pools, each with what of it is in use."""
    folder = f"{root}/sys/kernel/mm/hugepages"
    with suppress(OSError):
        for name in sorted(os.listdir(folder)):
            size = re.fullmatch(r"hugepages-(\d+)kB", name)
            total, free = (_number(f"{folder}/{name}/{file}") for file in ("nr_hugepages", "free_hugepages"))
            if size and total:
                kb = int(size[1])
                used = f"{(total - (free or 0)) * kb} kB of it in use"
                yield KernelItem(KernelUse.HUGETLB, total * kb, f"pages of {kb} kB, {used}", total,
                                 source=f"/sys/kernel/mm/hugepages/{name}")


def _huge_page_users(root: str, info: Mapping[str, int], meter: Meter) -> Iterator[KernelItem]:
    """The same, with who uses them; of none if nobody does."""
    pools = list(_hugetlb(root, info, meter))
    users = _users(root, meter) if pools else ()
    yield from (replace(pool, holders=users) for pool in pools if users)


def _users(root: str, meter: Meter) -> tuple[Holder, ...]:
    """By HugetlbPages in the status of each process. Of hundreds: next to nothing is done for each."""
    found = []
    with suppress(OSError):
        for number, name in enumerate(filter(str.isdigit, os.listdir(f"{root}/proc"))):
            if number % 16 == 15 and meter.over(Aspect.KERNEL, "users of huge pages"):
                break
            with suppress(OSError):
                status = _beginning(f"{root}/proc/{name}/status")
                at = status.find(b"\nHugetlbPages:")
                kb = int(status[at:].split(None, 2)[1]) if at >= 0 else 0
                if kb:
                    found.append((kb, _holder(root, int(name))))
    return tuple(one for _, one in sorted(found, key=lambda pair: -pair[0])[:3])


def _beginning(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)


def _zram(root: str, info: Mapping[str, int], meter: Meter) -> Iterator[KernelItem]:
    """mm_stat: original, compressed and used bytes (Documentation/admin-guide/blockdev/zram.rst)."""
    with suppress(OSError):
        for name in sorted(os.listdir(f"{root}/sys/block")):
            if name.startswith("zram"):
                fields = (plain(f"{root}/sys/block/{name}/mm_stat", 512) or b"").split()
                if len(fields) > 2 and int(fields[2]):
                    yield KernelItem(KernelUse.ZRAM, int(fields[2]) >> 10,
                                     f"{name}, {int(fields[0]) >> 10} kB before compression",
                                     source=f"/sys/block/{name}/mm_stat")


def _balloon(root: str, info: Mapping[str, int], meter: Meter) -> Iterator[KernelItem]:
    """What the hypervisor has taken back: virtio's by vmstat, VMware's by debugfs. virtio's is not in MemTotal, unless
    the host wants it given back at an OOM (drivers/virtio/virtio_balloon.c, adjust_managed_page_count)."""
    vmstat = text(plain(f"{root}/proc/vmstat") or b"")
    counts = dict(re.findall(r"^balloon_(inflate|deflate) (\d+)$", vmstat, re.MULTILINE))
    pages = int(counts.get("inflate", 0)) - int(counts.get("deflate", 0))
    if "Balloon" in info:  # 6.19
        if info["Balloon"]:
            yield KernelItem(KernelUse.BALLOON, info["Balloon"], source="/proc/meminfo", counted=False)
    elif pages > 0:
        yield KernelItem(KernelUse.BALLOON, pages * _PAGE_KB, "virtio", source="/proc/vmstat", counted=False)
    vmware = re.search(r"^current:\s+(\d+) pages", text(plain(f"{root}/sys/kernel/debug/vmmemctl", 4096) or b""),
                       re.MULTILINE)
    if vmware and int(vmware[1]):
        yield KernelItem(KernelUse.BALLOON, int(vmware[1]) * _PAGE_KB, "VMware", source="/sys/kernel/debug/vmmemctl")


def _arc(root: str, info: Mapping[str, int], meter: Meter) -> Iterator[KernelItem]:
    """ZFS's own cache, which is in no page cache (OpenZFS, arcstats)."""
    content = text(plain(f"{root}/proc/spl/kstat/zfs/arcstats") or b"")
    size = re.search(r"^size +\d+ +(\d+)$", content, re.MULTILINE)
    if size and int(size[1]):
        yield KernelItem(KernelUse.ARC, int(size[1]) >> 10, source="/proc/spl/kstat/zfs/arcstats")


def _slab(root: str, info: Mapping[str, int], meter: Meter) -> Iterator[KernelItem]:
    """/proc/slabinfo: caches by the pages that they have."""
    data = plain(f"{root}/proc/slabinfo", 1 << 18)
    if data is None:
        meter.cut(Aspect.KERNEL, Missed.DENIED, "/proc/slabinfo")
        return
    meter.bytes += len(data)
    yield from slabs(text(data), KernelUse.SLAB, "/proc/slabinfo")


def slabs(content: str, use: KernelUse, source: str) -> list[KernelItem]:
    """The largest caches in a slabinfo file."""
    found = []
    for line in _SLAB_LINE.finditer(content):
        objects, pages, number = int(line[3]), int(line[6]), int(line[8])
        kb = number * pages * _PAGE_KB
        if kb:
            found.append(KernelItem(use, kb, line[1], objects, source=source, counted=False))
    return sorted(found, key=lambda item: -item.kb)[:_LISTED]


def _vmalloc(root: str, info: Mapping[str, int], meter: Meter) -> Iterator[KernelItem]:
    """/proc/vmallocinfo: areas with pages, by who asked for them (mm/vmalloc.c, vmalloc_info_show)."""
    data = plain(f"{root}/proc/vmallocinfo", min(1 << 19, max(0, meter.budget.bytes - meter.bytes)))
    if data is None:
        meter.cut(Aspect.KERNEL, Missed.DENIED, "/proc/vmallocinfo")
        return
    meter.bytes += len(data)
    sizes: dict[str, list[int]] = {}
    for line in data.splitlines():
        pages = re.search(rb" pages=(\d+)", line)
        if pages:
            fields = line.split()
            caller = text(fields[2]).partition("+")[0] if len(fields) > 2 else "?"
            sizes.setdefault(caller, []).append(int(pages[1]) * _PAGE_KB)
    largest = sorted(sizes.items(), key=lambda item: -sum(item[1]))[:_LISTED]
    for caller, kb in largest:
        yield KernelItem(KernelUse.VMALLOC, sum(kb), caller, len(kb), source="/proc/vmallocinfo", counted=False)


def _allocations(root: str, info: Mapping[str, int], meter: Meter) -> Iterator[KernelItem]:
    """/proc/allocinfo: bytes, calls, and the place in the source (6.10, CONFIG_MEM_ALLOC_PROFILING). It has all pages:
    those of processes and of files are left out, which no part of the kernel's are."""
    most = min(1 << 20, max(0, meter.budget.bytes - meter.bytes))
    data = plain(f"{root}/proc/allocinfo", most)
    if data is None:
        if os.path.exists(f"{root}/proc/allocinfo"):
            meter.cut(Aspect.KERNEL, Missed.DENIED, "/proc/allocinfo")
        return
    meter.bytes += len(data)
    if len(data) >= most:
        meter.cut(Aspect.KERNEL, Missed.BUDGET, "the rest of /proc/allocinfo")
    rows = []
    for line in data.splitlines():
        fields = line.split(None, 2)
        if len(fields) == 3 and fields[0].isdigit() and len(fields[0]) > 5:
            rows.append((int(fields[0]), int(fields[1]), text(fields[2].strip())))
    rows = [row for row in rows if not row[2].startswith(_OF_PROCESSES)]
    for size, calls, place in sorted(rows, reverse=True)[:_LISTED]:
        yield KernelItem(KernelUse.ALLOCATION, size >> 10, place, calls, source="/proc/allocinfo", counted=False)


def _drm(root: str, info: Mapping[str, int], meter: Meter) -> Iterator[KernelItem]:
    """GPU clients: fdinfo of open /dev/dri files (Documentation/gpu/drm-usage-stats.rst), each client once."""
    if not os.path.isdir(f"{root}/sys/class/drm"):
        return
    clients: dict[str, tuple[int, Holder, str]] = {}
    with suppress(OSError):
        for pid in filter(str.isdigit, os.listdir(f"{root}/proc")):
            if meter.over(Aspect.KERNEL, "GPU clients"):
                break
            with suppress(OSError):
                for number in os.listdir(f"{root}/proc/{pid}/fd"):
                    if os.readlink(f"{root}/proc/{pid}/fd/{number}").startswith("/dev/dri/"):
                        said = text(plain(f"{root}/proc/{pid}/fdinfo/{number}", 8192) or b"")
                        client = re.search(r"^drm-client-id:\s+(\d+)", said, re.MULTILINE)
                        if client:
                            clients.setdefault(client[1], (_system_kb(said), _holder(root, int(pid)), said))
    for kb, who, _ in sorted(clients.values(), key=lambda one: -one[0])[:_LISTED]:
        if kb:
            yield KernelItem(KernelUse.DRM, kb, None, None, (who,), "fdinfo")


def _system_kb(said: str) -> int:
    """What of a client lies in the machine's own memory, not in the card's. "resident" counts before "total"."""
    best: dict[str, int] = {}
    for key in ("resident", "memory", "total"):
        for region, number, unit in re.findall(rf"^drm-{key}-(\S+):\s+(\d+)(?: (KiB|MiB))?$", said, re.MULTILINE):
            if region.startswith(("system", "gtt", "smem", "cpu")):
                best.setdefault(region, int(number) * {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}[unit])
    return sum(best.values()) >> 10


def _holder(root: str, pid: int) -> Holder:
    comm = text(plain(f"{root}/proc/{pid}/comm", 64) or b"").rstrip("\n")
    return Holder(pid, comm or None)


def _number(path: str) -> Optional[int]:
    data = (plain(path, 64) or b"").strip()
    return int(data) if data.isdigit() else None


# In this order; what a look has no time for comes first in the next one. /proc/slabinfo and /proc/vmallocinfo take a
# millisecond or two each, and so do the files of a hundred processes.
_QUICK = (_counters, _zram, _balloon, _arc, _hugetlb)
_SLOW = (_slab, _vmalloc, _huge_page_users, _allocations, _drm)

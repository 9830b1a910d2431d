"""What dies with the victim: names, containers, and what the memory was, as /proc, cgroup files and the folders of
container runtimes had it while everybody was alive.

A look is read from files, one after the other, and not at one moment: each part has its time (boot clock). What could
not be had is ``None`` or absent, and ``cut`` says which part of a look that was, and why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from .history import Glance
from .memory import Counters
from .word import Word


class Occasion(Word):
    """Why there was a look."""

    FIRST_CHARGE = "first charge"  # the memcg is new, or the trace is: which container it is, and no more
    NEAR_LIMIT = "near limit"  # the memcg passed nine tenths of its limit
    RECLAIM = "reclaim"  # the whole machine has begun to reclaim directly
    OOM = "oom"  # the OOM has begun


class Aspect(Word):
    """The parts of a look."""

    WHO = "who"
    CONTAINER = "container"
    ANONYMOUS = "anonymous"
    SHARED = "shared"
    CACHE = "cache"
    KERNEL = "kernel"


class Missed(Word):
    """Why something is not in a look."""

    BUDGET = "budget"  # its time or its bytes were used up
    GONE = "gone"  # the process had ended
    DENIED = "denied"  # a capability is missing, or the service's hardening hides it
    FOREIGN = "foreign"  # on a file system that may hang: FUSE, NFS and the like are not touched
    ABSENT = "absent"  # this kernel has none, or the file is not there
    DAMAGED = "damaged"  # the file is not as it should be
    SPARED = "spared"  # to read it takes memory, of which there is none, and holds the process's own meanwhile


@dataclass(frozen=True)
class Cut:
    """What a look left out. ``what``: of which process or file, in words of /proc: "smaps of 158"."""

    aspect: Aspect
    why: Missed
    what: Optional[str] = None


@dataclass(frozen=True)
class Container:
    """A container, as its runtime has it on disk. ``source``: the file, or the path if that alone tells."""

    id: str
    runtime: Optional[str] = None  # "docker", "containerd", "podman", "CRI-O", "LXC", "systemd-nspawn"
    name: Optional[str] = None  # in a pod, the name that the pod's specification gives it
    image: Optional[str] = None  # as it was asked for: "registry/etl:1.4"
    pod: Optional[str] = None
    pod_namespace: Optional[str] = None
    pod_uid: Optional[str] = None
    cgroup: Optional[str] = None  # the path of its memcg
    source: Optional[str] = None
    time_ns: Optional[int] = None


@dataclass(frozen=True)
class Identity:
    """Who a process is. ``pid`` is that of the initial namespace (its tgid in the kernel's terms).

    ``source``: "bpf" where it was read in the kernel at the decision, else the folder: "/proc/158".
    """

    pid: int
    comm: Optional[str] = None
    cmdline: Optional[tuple[str, ...]] = None  # what looks like a secret is masked
    masked: Optional[int] = None  # how many arguments were
    exe: Optional[str] = None  # as the process sees it, in its own root
    parent_pid: Optional[int] = None
    parent_comm: Optional[str] = None
    start_ns: Optional[int] = None  # boot clock
    age_ns: Optional[int] = None
    uid: Optional[int] = None  # effective
    user: Optional[str] = None
    user_source: Optional[str] = None  # whose list of users: "/etc/passwd", "/proc/158/root/etc/passwd"
    ns_pids: tuple[int, ...] = ()  # its pid in each pid namespace that it is in, the initial one first
    cgroup: Optional[str] = None  # the path of its memcg
    unit: Optional[str] = None  # systemd's
    slice: Optional[str] = None
    session: Optional[str] = None  # login session
    login_user: Optional[str] = None  # who logged in, if somebody did (loginuid)
    container_id: Optional[str] = None
    rss_kb: Optional[int] = None
    oom_score_adj: Optional[int] = None
    source: Optional[str] = None
    time_ns: Optional[int] = None


class Area(Word):
    """What a mapping is for."""

    HEAP = "heap"  # [heap]: what brk() gives
    STACK = "stack"  # of the first thread
    THREAD_STACKS = "thread stacks"
    JVM_HEAP = "JVM heap"
    GO_HEAP = "Go heap"
    PYTHON_ARENAS = "Python arenas"
    MALLOC_ARENAS = "malloc arenas"  # glibc's, of threads
    NAMED = "named"  # prctl(PR_SET_VMA_ANON_NAME): [anon:…]
    ANONYMOUS = "anonymous"
    MEMFD = "memfd"
    SYSV = "System V"
    TMPFS = "tmpfs"
    SHARED = "shared anonymous"  # mmap(MAP_SHARED|MAP_ANONYMOUS), named /dev/zero
    HUGETLB = "hugetlb"
    FILE = "file"
    DEVICE = "device"
    OTHER = "other"


@dataclass(frozen=True)
class Mapped:
    """Mappings of one kind and name, added up. ``None``: only sizes were read (maps), not what of them is resident."""

    area: Area
    name: Optional[str]  # of the file, or within [anon:…]
    count: int
    size_kb: int
    rss_kb: Optional[int] = None
    anonymous_kb: Optional[int] = None
    swap_kb: Optional[int] = None
    locked_kb: Optional[int] = None
    huge_kb: Optional[int] = None  # transparent huge pages, and hugetlb


@dataclass(frozen=True)
class TaskMemory:
    """What the memory of one process is. ``mappings``: the largest first."""

    pid: int
    comm: Optional[str] = None
    rss_kb: Optional[int] = None
    anonymous_kb: Optional[int] = None
    shmem_kb: Optional[int] = None
    file_kb: Optional[int] = None
    swap_kb: Optional[int] = None
    locked_kb: Optional[int] = None
    huge_kb: Optional[int] = None
    threads: Optional[int] = None
    mappings: tuple[Mapped, ...] = ()
    others_kb: Optional[int] = None  # what of the size is in mappings that are not listed
    source: Optional[str] = None
    time_ns: Optional[int] = None


@dataclass(frozen=True)
class Holder:
    """A process that has something open or mapped."""

    pid: int
    comm: Optional[str] = None


@dataclass(frozen=True)
class SharedFile:
    """A file whose pages are shared memory: on tmpfs, a memfd, or a System V segment.

    ``holders`` empty and ``holders_known`` True: open in no process, so that it stays until somebody deletes it.
    """

    name: str  # the path as its processes see it; "memfd:ring"; "SYSV 0x1234"
    kb: int
    deleted: bool = False
    age_ns: Optional[int] = None  # since it was last written
    holders: tuple[Holder, ...] = ()
    holders_known: bool = False  # False: not all processes that could have it open were looked at
    source: Optional[str] = None


@dataclass(frozen=True)
class Tmpfs:
    """A mounted tmpfs. ``fs_type`` is "tmpfs" or "ramfs"."""

    path: str  # as the processes see it
    used_kb: Optional[int] = None
    size_kb: Optional[int] = None  # None: no limit
    pid: Optional[int] = None  # in whose mount namespace it was seen
    fs_type: str = "tmpfs"


@dataclass(frozen=True)
class SharedMemory:
    """What tmpfs and shared memory are. Files: the largest first, ``files_seen`` how many there were."""

    mounts: tuple[Tmpfs, ...] = ()
    files: tuple[SharedFile, ...] = ()
    files_seen: Optional[int] = None
    time_ns: Optional[int] = None


@dataclass(frozen=True)
class CachedFile:
    """A file and what of it is in the page cache. That may be charged to another memcg: whoever read it first pays."""

    path: str
    cached_kb: int
    size_kb: Optional[int] = None
    dirty_kb: Optional[int] = None  # cachestat(2) alone tells
    writeback_kb: Optional[int] = None
    evicted_kb: Optional[int] = None  # recently
    holders: tuple[Holder, ...] = ()
    source: Optional[str] = None  # "cachestat", "mincore"


@dataclass(frozen=True)
class PageCache:
    """What the page cache is: of open and mapped files, the largest first."""

    files: tuple[CachedFile, ...] = ()
    files_seen: Optional[int] = None
    file_kb: Optional[int] = None  # memory.stat: all of it
    dirty_kb: Optional[int] = None
    writeback_kb: Optional[int] = None
    time_ns: Optional[int] = None


class KernelUse(Word):
    """Whose the kernel's memory is."""

    SLAB = "slab"
    VMALLOC = "vmalloc"
    PERCPU = "percpu"
    PAGE_TABLES = "page tables"
    STACKS = "kernel stacks"
    SOCKET = "socket"
    PIPE = "pipe"
    HUGETLB = "hugetlb"
    ZRAM = "zram"
    ZSWAP = "zswap"
    BALLOON = "balloon"
    ARC = "ZFS ARC"
    DRM = "GPU"
    CMA = "CMA"
    ALLOCATION = "allocation"  # /proc/allocinfo: by place in the source


@dataclass(frozen=True)
class KernelItem:
    """One user of kernel memory: a slab cache, a caller of vmalloc, a socket, a pool."""

    use: KernelUse
    kb: int
    name: Optional[str] = None
    count: Optional[int] = None
    holders: tuple[Holder, ...] = ()
    source: Optional[str] = None
    counted: bool = True  # False: within another item, or not of this machine's memory


@dataclass(frozen=True)
class KernelMemory:
    """What the kernel's part is. ``unexplained_kb``: of the whole machine, what no counter has."""

    items: tuple[KernelItem, ...] = ()
    unexplained_kb: Optional[int] = None
    counters_kb: Counters = field(default_factory=dict)  # /proc/meminfo's
    time_ns: Optional[int] = None


@dataclass(frozen=True)
class Look:
    """All that one look saw. ``memcg`` None: it was of the whole machine."""

    occasion: Occasion
    time_ns: int  # when it began, boot clock
    memcg: Optional[str] = None
    took_ns: Optional[int] = None
    cpu_ns: Optional[int] = None
    tasks: tuple[Identity, ...] = ()
    containers: tuple[Container, ...] = ()
    anonymous: tuple[TaskMemory, ...] = ()
    shared: Optional[SharedMemory] = None
    cache: Optional[PageCache] = None
    kernel: Optional[KernelMemory] = None
    cut: tuple[Cut, ...] = ()


@dataclass(frozen=True)
class Witness:
    """What was seen before it was gone. ``looks`` are in the order of time; ``tasks`` were read in the kernel at the
    decision."""

    looks: tuple[Look, ...] = ()
    tasks: tuple[Identity, ...] = ()
    glances: tuple[Glance, ...] = ()  # of the full memcg while it was near its limit, in the order of time

"""What shared, cached and kernel memory is: of this process, on the machine that this runs on; and laid out."""

from __future__ import annotations

import mmap
import os
import socket
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from oomtrace.model import Aspect, Cut, KernelUse, Look, Missed
from oomtrace.witness import Budget, Reader, cache, syscalls
from oomtrace.witness.cache import Cache
from oomtrace.witness.machine import Kernel, meminfo, slabs, unexplained_kb
from oomtrace.witness.meter import Meter
from oomtrace.witness.mounts import Mounts
from oomtrace.witness.proc import Process

from .machine import Machine

MUCH = Budget(10**12, 1 << 30)
MIB = 1 << 20
SHM = Path("/dev/shm")


def look() -> Look:
    """At this process alone."""
    return Reader().look("/no/such/memcg", [os.getpid()], MUCH)


@pytest.fixture
def ring() -> Iterator[Path]:
    """A file on this machine's tmpfs."""
    mounted = Mounts(Path("/proc/self/mountinfo").read_text()).at("/dev/shm")
    if mounted is None or mounted.fs_type != "tmpfs" or not os.access(SHM, os.W_OK):
        pytest.skip("there is no tmpfs on /dev/shm")
    with tempfile.NamedTemporaryFile(dir=SHM) as file:
        file.write(b"x" * 2 * MIB)
        file.flush()
        yield Path(file.name)


def test_a_file_on_tmpfs_and_who_has_it_open(ring: Path) -> None:
    shared = look().shared
    assert shared is not None
    found = next(file for file in shared.files if file.name == str(ring))
    assert (found.kb, found.deleted, [holder.pid for holder in found.holders]) == (2048, False, [os.getpid()])
    assert found.age_ns is not None and found.age_ns < 600 * 10**9
    assert any(mount.path == "/dev/shm" and (mount.used_kb or 0) >= 2048 for mount in shared.mounts)


def test_a_deleted_file_that_is_open(ring: Path) -> None:
    with open(SHM / "oomtrace-gone", "wb") as file:
        os.unlink(file.name)
        file.write(b"x" * MIB)
        file.flush()
        shared = look().shared
    assert shared is not None
    (found,) = [one for one in shared.files if one.name == str(SHM / "oomtrace-gone")]
    assert (found.kb, found.deleted) == (1024, True)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no memfd")
def test_a_memfd_and_one_that_is_only_mapped() -> None:
    open_fd, mapped_fd = os.memfd_create("open-ring"), os.memfd_create("mapped-ring")
    os.write(open_fd, b"x" * MIB)
    os.ftruncate(mapped_fd, MIB)
    with mmap.mmap(mapped_fd, MIB) as area:
        area.write(b"x" * MIB)
        os.close(mapped_fd)
        shared = look().shared
    os.close(open_fd)
    assert shared is not None
    files = {file.name: file for file in shared.files}
    assert files["memfd:open-ring"].kb == 1024
    assert [holder.pid for holder in files["memfd:mapped-ring"].holders] == [os.getpid()]


SEGMENTS = """\
       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime\
      ctime                   rss                  swap
     20736          0   600               8388608   158   158      1     0     0     0     0          1          0\
          1               8388608                     0
     20737          1   600               8388608   158   158      0     0     0     0     0          1          1\
          1               8388608                     0
"""


def test_segments_the_first_of_which_has_the_number_0(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.process(158, cgroup="/etl")
    machine.file("proc/158/maps", "7fcf09e09000-7fcf0a609000 rw-s 00000000 00:01 0        /SYSV00005100 (deleted)\n")
    machine.file("proc/sysvipc/shm", SEGMENTS)
    found = Reader(str(tmp_path)).look("/etl", [158], MUCH)
    assert found.shared is not None
    assert [(file.name, file.kb, [one.pid for one in file.holders], file.holders_known) for file in
            found.shared.files] == [("SYSV00005100", 8192, [158], True), ("SYSV00005101", 8192, [], True)]


def test_a_cached_file(tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb+") as file:
        file.write(b"x" * 3 * MIB)
        file.flush()
        found = look()
    assert found.cache is not None
    names = {one.path: one for one in found.cache.files}
    if str(tmp_path / "log") not in names:
        pytest.skip(f"{tmp_path} is on no disk here: {found.cut}")
    one = names[str(tmp_path / "log")]
    assert (one.cached_kb, one.size_kb, [holder.pid for holder in one.holders]) == (3072, 3072, [os.getpid()])


def test_sockets_and_pipes_with_much_in_them() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    one, two = socket.socketpair()
    one.setblocking(False)
    try:
        with pytest.raises(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        with pytest.raises(BlockingIOError):
            while True:
                one.send(b"x" * 4096)
        kernel = look().kernel
    finally:
        one.close()
        two.close()
        os.close(reader)
        os.close(writer)
    assert kernel is not None
    items = [item for item in kernel.items if os.getpid() in [holder.pid for holder in item.holders]]
    assert max(item.kb for item in items if item.use is KernelUse.PIPE) == 64
    assert max(item.kb for item in items if item.use is KernelUse.SOCKET) >= 64


def test_what_is_little_is_not_looked_into(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.process(158, cgroup="/etl")
    machine.file("sys/fs/cgroup/etl/memory.stat", "anon 30000000\nfile 8192\nshmem 4096\n")
    found = Reader(str(tmp_path)).look("/etl", budget=MUCH)
    assert (found.shared, found.cache) == (None, None)


@pytest.mark.parametrize(("anon", "first"), [(47_000_000, "mappings"), (30_000_000, "buffers")])
def test_buffers_come_first_where_much_is_the_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anon: int, first: str
) -> None:
    """And leave half of the budget: smaps takes as long as a process is large."""
    machine, asked = Machine(tmp_path), list[tuple[str, bool]]()
    machine.process(158, cgroup="/etl")
    machine.file("sys/fs/cgroup/etl/cgroup.procs", "158\n")
    machine.file("sys/fs/cgroup/etl/memory.stat", f"anon {anon}\nfile 8192\n")
    machine.file("sys/fs/cgroup/etl/memory.current", "50000000\n")

    def buffers(self: object, process: object, descriptors: object, leave_ns: int = 0) -> None:
        asked.append(("buffers", leave_ns > 10**11))

    def mappings(*_: object) -> tuple[None, list[object]]:
        asked.append(("mappings", False))
        return None, []

    monkeypatch.setattr("oomtrace.witness.contents.Buffers.add", buffers)
    monkeypatch.setattr("oomtrace.witness.contents.anonymous.memory", mappings)
    Reader(str(tmp_path)).look("/etl", budget=MUCH)
    assert (asked[0][0], len(asked)) == (first, 2)
    assert ("buffers", first == "buffers") in asked


def test_a_tmpfs_within_which_something_may_hang(tmp_path: Path) -> None:
    """What is mounted there is not asked."""
    mounts = ("22 1 254:0 / / rw - ext4 /dev/root rw\n40 22 0:25 / /run rw - tmpfs tmpfs rw\n"
              "41 40 0:60 / /run/user/1000/gvfs rw - fuse.gvfsd stuck rw\n")
    machine = Machine(tmp_path, mounts + "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    machine.process(158, cgroup="/etl", rootfs=tmp_path, mounts=mounts)
    (tmp_path / "proc/158/fd").mkdir()
    machine.file("run/user/1000/gvfs/large", "x" * MIB)
    machine.file("run/user/1000/ring", "x" * MIB)
    found = Reader(str(tmp_path)).look("/etl", budget=MUCH)
    assert found.shared is not None
    assert [file.name for file in found.shared.files] == ["/run/user/1000/ring"]


def test_a_cached_file_that_may_hang_is_not_touched(tmp_path: Path) -> None:
    mounts = "22 1 254:0 / / rw - ext4 /dev/root rw\n50 22 0:60 / /net rw - nfs4 server:/ rw\n"
    machine = Machine(tmp_path)
    machine.process(158, cgroup="/etl", rootfs=tmp_path, mounts=mounts)
    machine.link("proc/158/fd/3", "/net/large")
    machine.file("proc/158/fdinfo/3", "pos:\t0\nflags:\t02\nmnt_id:\t50\n")
    found = Reader(str(tmp_path)).look("/etl", budget=MUCH)
    assert found.cache is not None and found.cache.files == ()
    assert Cut(Aspect.CACHE, Missed.FOREIGN, "/net/large") in found.cut


@pytest.mark.parametrize("machines, denied, known", [
    ("/dev/shm", False, False),  # a service's own mount namespace, with the machine's tmpfs in it
    ("/var/lib/box/shm", False, True),  # a container's, which the machine sees elsewhere
    ("/var/lib/box/shm", True, False),
])
def test_open_in_no_process_is_said_only_where_it_is_known(
    machines: str, denied: bool, known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_root = "22 1 254:0 / / rw - ext4 /dev/root rw\n"
    machine = Machine(tmp_path, at_root + "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    machine.process(1, mounts=f"{at_root}40 22 0:25 / {machines} rw - tmpfs shm rw\n")
    machine.process(158, cgroup="/etl", rootfs=tmp_path, ns="mnt:[4026532300]",
                    mounts=f"{at_root}40 22 0:25 / /dev/shm rw - tmpfs shm rw\n")
    (tmp_path / "proc/158/fd").mkdir()
    machine.file("dev/shm/ring", "x" * MIB)

    def refused(*_: object) -> list[int]:
        raise PermissionError(13, "Permission denied")

    if denied:
        monkeypatch.setattr(Process, "numbers", refused)
    shared = Reader(str(tmp_path)).look("/etl", budget=MUCH).shared
    assert shared is not None
    assert [(file.name, file.holders_known) for file in shared.files] == [("/dev/shm/ring", known)]


@pytest.mark.parametrize("is_told", [True, False])
def test_of_a_file_of_others_nothing_is_made_up(
    is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel says of it that all is cached (can_do_mincore), or nothing (can_do_cachestat)."""
    with open(tmp_path / "log", "wb+") as file:
        file.write(b"x" * MIB)
        file.flush()
        meter = Meter(MUCH)
        found = Cache(Mounts(""), meter)

        file_uid = os.fstat(file.fileno()).st_uid

        def refused(_fd: int) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(syscalls, "cachestat", refused)
        monkeypatch.setattr(syscalls, "mincore", lambda _fd, _offset, length: length // mmap.PAGESIZE)
        monkeypatch.setattr(os, "geteuid", lambda: file_uid + 1)
        monkeypatch.setattr(os, "access", lambda *_, **__: is_told)
        monkeypatch.setattr(cache, "tells_of_others", lambda: False)
        mount = Mounts("22 1 254:0 / / rw - ext4 /dev/root rw\n").at("/")
        assert mount is not None
        with Process("/", os.getpid()) as process:
            found._measure(process, file.fileno(), str(tmp_path / "log"), mount)
    files = found.found({}, 0).files
    if is_told:
        assert [(one.cached_kb, one.source) for one in files] == [(1024, "mincore")] and meter.cuts == []
    else:
        assert files == () and meter.cuts == [Cut(Aspect.CACHE, Missed.DENIED, str(tmp_path / "log"))]


def test_what_is_not_permitted_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter of system calls, as the service has one, may refuse pidfd_getfd(2)."""
    def refused(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(syscalls, "pidfd_getfd", refused)
    one, two = socket.socketpair()
    with one, two:
        found = look().cut
    assert Cut(Aspect.KERNEL, Missed.DENIED, f"sockets and pipes of {os.getpid()}") in found
    monkeypatch.setattr(Process, "numbers", refused)
    assert Cut(Aspect.SHARED, Missed.DENIED, f"what {os.getpid()} has open") in look().cut


MEMINFO = """MemTotal:        1000000 kB
MemFree:          100000 kB
Active(anon):     200000 kB
Inactive(anon):    50000 kB
Active(file):      60000 kB
Inactive(file):    40000 kB
Unevictable:       10000 kB
Slab:             120000 kB
KernelStack:        8000 kB
PageTables:        12000 kB
VmallocUsed:       20000 kB
Percpu:             5000 kB
CmaTotal:          16384 kB
CmaFree:           10000 kB
Hugetlb:           81920 kB
"""
SLABINFO = """slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount>
dentry            377000 377496    192   21    1 : tunables    0    0    0 : slabdata  17976  17976      0
ext4_inode_cache  229000 229264   1176   27    8 : tunables    0    0    0 : slabdata   8492   8492      0
kmalloc-8              0      0      8  512    1 : tunables    0    0    0 : slabdata      0      0      0
"""


def test_the_kernels_part_of_the_machine(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.file("proc/meminfo", MEMINFO)
    machine.file("proc/slabinfo", SLABINFO)
    machine.file("proc/vmallocinfo", "0xffffc90000000000-0xffffc90000005000   20480 fork_idle+0x1/0x2 pages=4 vmalloc\n"
                                     "0xffffc90000008000-0xffffc9000000d000   20480 fork_idle+0x1/0x2 pages=4 vmalloc\n"
                                     "0xffffc90000010000-0xffffc90000211000 2101248 htab_map_alloc+0x9/0x20 pages=512\n"
                                     "0xffffc90000300000-0xffffc90000302000    8192 pci_iomap+0x1/0x2 ioremap\n")
    machine.file("proc/allocinfo", "allocinfo - version: 1.0\n#     <size>  <calls> <tag info>\n"
                                   "  209715200     51200 mm/slub.c:2500 func:alloc_slab_page \n"
                                   "  403351961     98474 mm/memory.c:1063 func:folio_prealloc \n"
                                   "       8  1 x.c:1 f:g\n")
    machine.file("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "40\n")
    machine.file("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "30\n")
    machine.file("sys/block/zram0/mm_stat", "104857600 20971520 25165824 0 25165824 0 0 0 0\n")
    machine.file("proc/spl/kstat/zfs/arcstats", "name   type data\nhits   4 1\nsize   4 52428800\n")
    machine.file("proc/vmstat", "balloon_inflate 1000\nballoon_deflate 400\n")
    machine.process(300, "postgres")
    with (tmp_path / "proc/300/status").open("a") as file:
        file.write("HugetlbPages:\t   20480 kB\n")
    found = Kernel(str(tmp_path)).memory(Meter(MUCH), 1)
    items = {(item.use, item.name): item for item in found.items}
    assert items[KernelUse.SLAB, None].kb == 120000
    assert items[KernelUse.SLAB, "ext4_inode_cache"].kb == 8492 * 8 * 4
    assert items[KernelUse.SLAB, "dentry"].count == 377496
    assert items[KernelUse.VMALLOC, "htab_map_alloc"].kb == 2048
    assert (items[KernelUse.VMALLOC, "fork_idle"].kb, items[KernelUse.VMALLOC, "fork_idle"].count) == (32, 2)
    assert (KernelUse.VMALLOC, "pci_iomap") not in items
    assert items[KernelUse.ALLOCATION, "mm/slub.c:2500 func:alloc_slab_page"].kb == 204800
    assert sum(use is KernelUse.ALLOCATION for use, _ in items) == 1, "no pages of processes"
    pool = items[KernelUse.HUGETLB, "pages of 2048 kB, 20480 kB of it in use"]
    assert (pool.kb, [holder.comm for holder in pool.holders]) == (81920, ["postgres"])
    assert items[KernelUse.ZRAM, "zram0, 102400 kB before compression"].kb == 24576
    assert items[KernelUse.ARC, None].kb == 51200
    assert items[KernelUse.BALLOON, "virtio"].kb == 2400
    assert items[KernelUse.CMA, None].kb == 6384
    assert found.unexplained_kb == (1000000 - 100000 - 360000 - 120000 - 8000 - 12000 - 20000 - 5000 - 81920
                                    - 24576 - 51200)


def test_what_one_look_has_no_time_for_the_next_one_reads_first(tmp_path: Path) -> None:
    """By a clock of ticks: there is time for one of those that take long."""
    machine = Machine(tmp_path)
    machine.file("proc/meminfo", MEMINFO)
    machine.file("proc/slabinfo", SLABINFO)
    machine.file("proc/vmallocinfo", "0xffffc90000010000-0xffffc90000211000 2101248 htab_map_alloc+0x9/0x2 pages=512\n")
    kernel = Kernel(str(tmp_path))
    seen = []
    for _ in range(2):
        meter = Meter(Budget(14, 1 << 20), clock=count().__next__)
        items = kernel.memory(meter, 1).items
        seen.append(({item.source for item in items}, [cut.what for cut in meter.cuts]))
    assert seen == [
        ({"/proc/meminfo", "/proc/slabinfo"}, ["vmalloc", "huge page users", "allocations", "drm"]),
        ({"/proc/meminfo", "/proc/vmallocinfo"}, ["huge page users", "allocations", "drm", "slab"]),
    ]


def test_what_a_balloon_has_is_not_in_memtotal(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.file("proc/meminfo", MEMINFO + "Balloon:          400000 kB\n")
    found = Kernel(str(tmp_path)).memory(Meter(MUCH), 1)
    assert [item.kb for item in found.items if item.use is KernelUse.BALLOON] == [400000]
    assert found.unexplained_kb == 1000000 - 100000 - 360000 - 120000 - 8000 - 12000 - 20000 - 5000 - 81920


def test_nothing_is_unexplained_without_counters() -> None:
    assert unexplained_kb(meminfo("MemTotal: 5 kB\n"), []) is None


def test_caches_of_a_memcg_on_v1() -> None:
    found = slabs(SLABINFO, KernelUse.SLAB, "memory.kmem.slabinfo")
    assert [(item.name, item.kb) for item in found] == [("ext4_inode_cache", 271744), ("dentry", 71904)]


def test_what_a_gpu_client_holds_of_this_machines_memory(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.file("proc/meminfo", MEMINFO)
    (tmp_path / "sys/class/drm").mkdir(parents=True)
    machine.process(400, "game")
    for number in (5, 6):  # the same client twice
        machine.link(f"proc/400/fd/{number}", "/dev/dri/renderD128")
        machine.file(f"proc/400/fdinfo/{number}", "pos:\t0\ndrm-driver:\ti915\ndrm-client-id:\t7\n"
                     "drm-total-system0:\t300 MiB\ndrm-resident-system0:\t200 MiB\ndrm-resident-local0:\t900 MiB\n")
    (item,) = [item for item in Kernel(str(tmp_path)).memory(Meter(MUCH), 1).items if item.use is KernelUse.DRM]
    assert (item.kb, item.holders[0].comm) == (204800, "game")


def test_a_budget_that_ends_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.file("proc/meminfo", MEMINFO)
    meter = Meter(Budget(1, 1))
    assert Kernel(str(tmp_path)).memory(meter, 1).items == ()
    assert meter.cuts[0].why is Missed.BUDGET

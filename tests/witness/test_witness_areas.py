"""What mappings are, by their names, shapes and neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from oomtrace.model import Area, Aspect, Cut, Missed, TaskMemory
from oomtrace.witness.anonymous import memory
from oomtrace.witness.areas import regions
from oomtrace.witness.meter import Budget, Meter
from oomtrace.witness.proc import Process

from .machine import ROOT_MOUNT, Machine

MIB = 1 << 20


def area(start: int, size: int, perms: str = "rw-p", name: str = "", rss_kb: int = 0, device: str = "00:00",
         inode: int = 0, **more: int) -> str:
    """A mapping as smaps has it (fs/proc/task_mmu.c, show_smap)."""
    head = f"{start:x}-{start + size:x} {perms} 00000000 {device} {inode}".ljust(73) + name
    numbers = {"Size": size >> 10, "KernelPageSize": 4, "Rss": rss_kb, "Anonymous": rss_kb, "AnonHugePages": 0,
               "Shared_Hugetlb": 0, "Private_Hugetlb": 0, "Swap": 0, "Locked": 0, **more}
    rows = [f"{field + ':':<16}{value:8} kB" for field, value in numbers.items()]
    return "\n".join([head.rstrip(), *rows, "THPeligible:    0", "VmFlags: rd wr mr mw me ac"]) + "\n"


def told(tmp_path: Path, smaps: str, exe: str = "/bin/app", threads: int = 1, rss_kb: int = 40000,
         meter: Optional[Meter] = None) -> TaskMemory:
    machine = Machine(tmp_path)
    folder = machine.process(158, "app", exe=exe, rss_kb=rss_kb,
                             mounts=ROOT_MOUNT + "40 22 0:25 / /dev/shm rw - tmpfs tmpfs rw\n")
    (folder / "smaps").write_text(smaps)
    maps = [line for line in smaps.splitlines() if "-" in line.split(" ")[0]]
    (folder / "maps").write_text("\n".join(maps) + "\n")
    with (folder / "status").open("a") as file:
        file.write(f"RssAnon:\t{rss_kb} kB\nVmSwap:\t12 kB\nVmLck:\t0 kB\nThreads:\t{threads}\n")
    with Process(str(tmp_path), 158) as process:
        found, _ = memory(process, meter or Meter(Budget(10**12, 1 << 30)), 1)
    assert found is not None
    return found


def kinds(found: TaskMemory) -> dict[Area, tuple[int, Optional[int]]]:
    """Count and resident kB by kind."""
    return {row.area: (row.count, row.rss_kb) for row in found.mappings}


def test_names_of_the_kernel(tmp_path: Path) -> None:
    found = told(tmp_path, "".join((
        area(0x400000, MIB, "r-xp", "/bin/app", 900, "fe:00", 12),
        area(0x1000000, 30 * MIB, name="[heap]", rss_kb=30000, AnonHugePages=2048, Swap=100, Locked=8),
        area(0x7F0000000000, MIB, name="[anon:cache of rows]", rss_kb=500),
        area(0x7F0001000000, MIB, "rw-s", "/memfd:ring (deleted)", 600, "00:01", 77),
        area(0x7F0002000000, MIB, "rw-s", "/SYSV0000002a (deleted)", 700, "00:01", 5),
        area(0x7F0003000000, MIB, "rw-s", "/dev/zero (deleted)", 800, "00:01", 9),
        area(0x7F0004000000, MIB, "rw-s", "/dev/shm/ring", 1000, "00:19", 3),
        area(0x7F0005000000, 2 * MIB, "rw-s", "/anon_hugepage (deleted)", 0, "00:0f", 4, Shared_Hugetlb=2048),
        area(0x7FFC00000000, 132 << 10, name="[stack]", rss_kb=40),
        area(0x7FFC10000000, 4096, "r-xp", "[vdso]", 4),
    )))
    assert kinds(found) == {
        Area.FILE: (1, 900), Area.HEAP: (1, 30000), Area.NAMED: (1, 500), Area.MEMFD: (1, 600), Area.SYSV: (1, 700),
        Area.SHARED: (1, 800), Area.TMPFS: (1, 1000), Area.HUGETLB: (1, 2048), Area.STACK: (1, 40), Area.OTHER: (1, 4)}
    heap = found.mappings[0]
    assert (heap.area, heap.size_kb, heap.huge_kb, heap.swap_kb, heap.locked_kb) == (Area.HEAP, 30720, 2048, 100, 8)
    assert {row.name for row in found.mappings if row.area is Area.NAMED} == {"cache of rows"}
    assert (found.anonymous_kb, found.swap_kb, found.huge_kb, found.source) == (40000, 12, 4096, "smaps")


def test_stacks_of_threads_have_a_guard_below(tmp_path: Path) -> None:
    base = 0x7F0000000000
    stacks = "".join(area(base + n * 16 * MIB, 4096, "---p") + area(base + n * 16 * MIB + 4096, 8 * MIB, rss_kb=100)
                     for n in range(3))
    found = told(tmp_path, stacks + area(0x7F1000000000, 8 * MIB, rss_kb=5), threads=3)
    assert kinds(found) == {Area.THREAD_STACKS: (2, 200), Area.ANONYMOUS: (2, 105)}  # two threads beside the first


def test_arenas_of_malloc(tmp_path: Path) -> None:
    base = 0x7F0000000000
    found = told(tmp_path, area(base, MIB, rss_kb=800) + area(base + MIB, 63 * MIB, "---p"))
    assert kinds(found) == {Area.MALLOC_ARENAS: (1, 800)}


def test_heap_of_a_jvm(tmp_path: Path) -> None:
    """One reservation, of which a part is committed; another one is smaller."""
    found = told(tmp_path, "".join((
        area(0xC0000000, 64 * MIB, rss_kb=60000), area(0xC4000000, 448 * MIB, "---p"),
        area(0x100000000, 12 * MIB, rss_kb=900), area(0x100C00000, 1000 * MIB, "---p"),
    )), "/usr/lib/jvm/bin/java")
    assert kinds(found)[Area.JVM_HEAP] == (2, 60000)
    assert next(row.size_kb for row in found.mappings if row.area is Area.JVM_HEAP) == 512 << 10


def test_heap_of_a_jvm_with_its_classes_right_above(tmp_path: Path) -> None:
    """Of one without an archive of classes: -Xmx160m, and a GiB for classes. If all of the heap is committed, it is in
    one mapping with the first classes."""
    path, classes = "/usr/lib/jvm/bin/java", area(0x100100000, 1023 * MIB, "---p")
    found = told(tmp_path / "part", "".join((
        area(0xF6000000, 100 * MIB, rss_kb=60000), area(0xFC400000, 60 * MIB, "---p"),
        area(0x100000000, MIB, rss_kb=900), classes)), path)
    assert kinds(found) == {Area.JVM_HEAP: (2, 60000), Area.ANONYMOUS: (1, 900)}
    assert next(row.size_kb for row in found.mappings if row.area is Area.JVM_HEAP) == 160 << 10
    found = told(tmp_path / "all", area(0xF6000000, 161 * MIB, rss_kb=90000) + classes, path)
    assert kinds(found)[Area.JVM_HEAP] == (1, 90000)
    assert next(row.size_kb for row in found.mappings if row.area is Area.JVM_HEAP) == 161 << 10


def test_heap_of_a_jvm_that_has_an_archive_of_classes(tmp_path: Path) -> None:
    """Its classes lie there, and a GiB at the end of the heap is the heap's."""
    found = told(tmp_path, "".join((
        area(0x7A0000000, 40 * MIB, rss_kb=30000), area(0x7A2800000, 472 * MIB, "---p"),
        area(0x7C0000000, 30 * MIB, rss_kb=20000), area(0x7C1E00000, 994 * MIB, "---p"),
        area(0x800000000, 12 * MIB, "r--p", "/usr/lib/jvm/lib/server/classes.jsa", 9000, "fe:00", 12),
    )), "/usr/lib/jvm/bin/java")
    assert kinds(found)[Area.JVM_HEAP] == (4, 50000)
    assert next(row.size_kb for row in found.mappings if row.area is Area.JVM_HEAP) == 1536 << 10


def test_arenas_of_go_and_python(tmp_path: Path) -> None:
    assert kinds(told(tmp_path / "go", area(0xC000000000, 64 * MIB, rss_kb=3000))) == {Area.GO_HEAP: (1, 3000)}
    pieces = area(0x7F0000003000, 4 * MIB, rss_kb=4096) + area(0x7F0001001000, 768 << 10, rss_kb=700)
    found = told(tmp_path / "new", pieces, "/usr/bin/python3.11")
    assert kinds(found) == {Area.PYTHON_ARENAS: (1, 4096), Area.ANONYMOUS: (1, 700)}
    found = told(tmp_path / "old", pieces, "/usr/bin/python3.9")
    assert kinds(found) == {Area.PYTHON_ARENAS: (2, 4796)}


def test_a_process_too_large_to_walk(tmp_path: Path) -> None:
    """Its sizes are known all the same, and what was left out is said."""
    meter = Meter(Budget(5_000_000, 1 << 20), clock=lambda: 0)
    found = told(tmp_path, area(0x1000000, 30 * MIB, name="[heap]", rss_kb=30000), rss_kb=40 << 20, meter=meter)
    assert found.source == "maps"
    assert [(row.area, row.size_kb, row.rss_kb) for row in found.mappings] == [(Area.HEAP, 30720, None)]
    assert meter.cuts == [Cut(Aspect.ANONYMOUS, Missed.BUDGET, "smaps of 158")]


def test_bytes_that_are_used_up(tmp_path: Path) -> None:
    meter = Meter(Budget(10**12, 1 << 14))
    many = "".join(area(0x7F0000000000 + n * 2 * MIB, MIB, name=f"[anon:{n}]", rss_kb=100) for n in range(200))
    found = told(tmp_path, many, meter=meter)
    assert 0 < sum(row.count for row in found.mappings) < 200
    assert Cut(Aspect.ANONYMOUS, Missed.BUDGET, "the rest of smaps of 158") in meter.cuts


def test_devices_are_decimal_in_one_file_and_hexadecimal_in_the_other() -> None:
    (found,) = regions(b"1000-2000 rw-p 00000000 fe:1f 12                         /srv/a file\n")
    assert (found.device, found.inode, found.name) == ("254:31", 12, "/srv/a file")

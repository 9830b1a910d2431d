"""What an explanation says of what was seen before the victim was gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional

from oomtrace import why
from oomtrace.model import (
    Area,
    CachedFile,
    Container,
    Holder,
    Identity,
    KernelItem,
    KernelMemory,
    KernelUse,
    Kill,
    Look,
    Mapped,
    Memcg,
    MemcgStats,
    MemInfo,
    Occasion,
    OomEvent,
    PageCache,
    PageCounter,
    SharedFile,
    SharedMemory,
    TaskMemory,
    Witness,
)
from oomtrace.why import witnessed
from oomtrace.why.causes.contents import Shared
from oomtrace.why.causes.killed import Killed
from tests.events import changed, made

PATH = "/libpod_parent/libpod-" + "0123456789abcdef" * 4
ETL = Identity(158, "python3", ("python3", "-m", "etl.load", "--table", "orders"), parent_pid=140, parent_comm="conmon",
               start_ns=10_000_000_000, age_ns=5, user="etl", cgroup=PATH, container_id="0123456789abcdef" * 4)
BOX = Container("0123456789abcdef" * 4, "podman", "orders-etl", "etl:1.4", cgroup=PATH)


def event(*looks: Look, **values: Any) -> OomEvent:
    memcg = Memcg(PATH, PageCounter(32768, 32768, 3))
    return made(kind="memcg", memcg=memcg, victim_memcg=PATH, begin_ns=190_000_000_000,
                kills=(Kill(158, "python3", uid=7, anon_rss_kb=30720, file_rss_kb=0, shmem_rss_kb=0),),
                witness=Witness(looks, **values))


def look(*tasks: Identity, occasion: Occasion = Occasion.OOM, container: Optional[Container] = BOX) -> Look:
    return Look(occasion, 1, PATH, tasks=tasks, containers=(container,) if container is not None else ())


def killed(one: OomEvent) -> why.Finding:
    found = why.explain(one).finding("killed")
    assert found is not None
    return found


def test_the_victim_by_its_command_and_container() -> None:
    found = killed(event(look(ETL)))
    assert found.has(Killed.VICTIM, Killed.PARENT)
    assert found.value("command") == "python3 -m etl.load --table orders"
    assert found.value("age_ns") == 180_000_000_000
    assert found.value("container") == "container orders-etl (image etl:1.4)"
    assert found.sentence.startswith(
        "`python3 -m etl.load --table orders` (158), 3 min old, of user etl, in container orders-etl (image etl:1.4); "
        "it held 30.0 MiB (30720 kB), 93.8 % of the limit.")


def test_of_a_pod() -> None:
    box = replace(BOX, name="etl", pod="orders-etl-7c9", pod_namespace="shop")
    assert killed(event(look(ETL, container=box))).value("container") == (
        "container etl (image etl:1.4) of pod shop/orders-etl-7c9")


def test_the_limit_of_a_pod() -> None:
    box = Container("uid", None, pod="orders-etl-7c9", pod_namespace="shop", pod_uid="uid", cgroup=PATH)
    assert why.explain(event(look(ETL, container=box))).headline.startswith("Pod shop/orders-etl-7c9 reached its")


def test_the_headline_names_the_container() -> None:
    assert why.explain(event(look(ETL))).headline.startswith(
        "Container orders-etl (image etl:1.4) reached its memory limit of 32.0 MiB")


def test_a_memcg_within_a_container_is_not_the_container() -> None:
    one = changed(event(look(ETL)), memcg=Memcg(PATH + "/app.slice", PageCounter(32768, 32768, 3)))
    assert "orders-etl" not in why.explain(one).headline.split(";")[0]


def test_nobody_has_looked() -> None:
    one = changed(event(), witness=None)
    found = killed(one)
    assert not found.has(Killed.PARENT) and found.value("command") is None
    assert found.sentence.startswith("python3 (158) of uid 7, which held 30.0 MiB")


def test_the_container_alone() -> None:
    """The process was gone when somebody looked."""
    found = killed(event(look()))
    assert found.value("container") == "container orders-etl (image etl:1.4)" and found.value("command") is None
    assert found.sentence.startswith("python3 (158), of uid 7, in container orders-etl")


def test_a_pid_that_another_had_before() -> None:
    """A look before the OOM saw another process of that pid."""
    other = replace(ETL, comm="sh", cmdline=("sh",), start_ns=5_000_000_000)
    assert killed(event(look(other, occasion=Occasion.NEAR_LIMIT))).value("command") is None
    by_kernel = Identity(158, "python3", start_ns=5_001_000_000, source="bpf")
    assert killed(event(look(other, occasion=Occasion.NEAR_LIMIT), tasks=(by_kernel,))).value("command") == "sh"


def test_the_last_look_counts() -> None:
    before = replace(ETL, cmdline=("python3", "before"))
    assert killed(event(look(before, occasion=Occasion.NEAR_LIMIT), look(ETL))).value("command") == (
        "python3 -m etl.load --table orders")
    assert killed(event(look(before, occasion=Occasion.NEAR_LIMIT), look())).value("command") == "python3 before"


def test_the_look_that_saw_most_of_the_memory_counts() -> None:
    """As the OOM begins, the kill may have freed a part."""
    full = replace(look(ETL, occasion=Occasion.NEAR_LIMIT), anonymous=(TaskMemory(158, rss_kb=30000),))
    freed = replace(look(ETL), anonymous=(TaskMemory(158, rss_kb=400),))
    assert witnessed.anonymous(event(full, freed)) == full.anonymous
    later = replace(freed, anonymous=(TaskMemory(158, rss_kb=30400),))
    assert witnessed.anonymous(event(full, later)) == later.anonymous
    assert witnessed.anonymous(event(look(ETL))) == () and witnessed.shared(event(look(ETL))) is None


def test_a_program_in_a_command_is_on_one_line() -> None:
    said = witnessed.command(replace(ETL, cmdline=("python3", "-c", "import time\n\ttime.sleep(1)", "")))
    assert said == "python3 -c 'import time time.sleep(1)' ''"


def test_a_long_command_is_cut_off() -> None:
    long = replace(ETL, cmdline=("java", "-cp", "x" * 500))
    said = witnessed.command(long)
    assert said is not None and len(said) == 96 and said.endswith("…")


def test_words_with_blanks_are_quoted() -> None:
    assert witnessed.command(replace(ETL, cmdline=("sh", "-c", "a b", ""))) == "sh -c 'a b' ''"


def shown(one: OomEvent, id: str) -> str:
    found = why.explain(one).finding(id)
    return "" if found is None else found.sentence


def full_of(**stat: int) -> Memcg:
    """A memcg of 48 MiB with these counters, in MiB."""
    values = {"anon": 0, "file": 0, "shmem": 0, "kernel": 0, **stat}
    return Memcg(PATH, PageCounter(49152, 49152, 3), stats=(
        MemcgStats(PATH, {name: value << 20 for name, value in values.items()}, "bytes"),), version=2)


def seen(memcg: Memcg, **parts: Any) -> OomEvent:
    return changed(event(replace(look(ETL), **parts)), memcg=memcg)


def test_what_anonymous_memory_was() -> None:
    memory = TaskMemory(158, "python3", 40960, 40000, mappings=(
        Mapped(Area.HEAP, None, 1, 32768, 30720), Mapped(Area.THREAD_STACKS, None, 12, 98304, 2048),
        Mapped(Area.NAMED, "rows", 3, 2048, 1536), Mapped(Area.FILE, "/bin/tiny", 1, 10, 8)), source="smaps")
    assert shown(seen(full_of(anon=40), anonymous=(memory,)), "anonymous") == (
        "python3 (158): heap 30.0 MiB, 12 thread stacks 2.0 MiB, rows 1.5 MiB.")
    assert shown(seen(full_of(anon=1, file=44), anonymous=(memory,)), "anonymous") == ""
    only = replace(memory, mappings=(Mapped(Area.JVM_HEAP, None, 2, 1 << 20),), source="maps")
    assert shown(seen(full_of(anon=40), anonymous=(only,)), "anonymous") == (
        "python3 (158) has mapped JVM heap 1.0 GiB. How much of each was resident is not known.")


def test_what_shared_memory_was() -> None:
    ring = SharedFile("/dev/shm/ring", 38 << 10, False, 7_200_000_000_000, holders_known=True)
    gone = SharedFile("memfd:frames", 3 << 10, False, None, (Holder(158, "python3"), Holder(159, "sh")), True)
    one = seen(full_of(file=42, shmem=41), shared=SharedMemory((), (ring, gone), 2))
    assert shown(one, "shared") == (
        "41.0 MiB: /dev/shm/ring (38.0 MiB, 2 h old, open in no process), "
        "memfd:frames (3.0 MiB, open in python3 (158) and 1 other).")
    found = why.explain(one).finding("shared")
    assert found is not None and found.reason is Shared.STAYS
    held = SharedMemory((), (replace(ring, holders=(Holder(158, "python3"),)),), 1)
    other = why.explain(seen(full_of(file=42, shmem=41), shared=held)).finding("shared")
    assert other is not None and other.reason is Shared.FILES
    unknown = SharedMemory((), (replace(ring, holders_known=False),), 1)
    assert "nobody" not in shown(seen(full_of(file=42, shmem=41), shared=unknown), "shared")


def test_what_the_page_cache_was() -> None:
    log = CachedFile("/srv/log", 30 << 10, 40 << 10, 10 << 10, holders=(Holder(158, "python3"),))
    one = seen(full_of(anon=2, file=44), cache=PageCache((log,), 1, 44 << 10, 12 << 10))
    assert shown(one, "cached") == "/srv/log (30.0 MiB, open in python3 (158)); 12.0 MiB not written yet."


def test_whose_the_kernels_memory_was() -> None:
    items = (KernelItem(KernelUse.SLAB, 20 << 10, source="memory.stat"),
             KernelItem(KernelUse.PIPE, 8 << 10, "pipe:[7]", 1, (Holder(158, "python3"),)),
             KernelItem(KernelUse.SOCKET, 9 << 10, "tcp 10.0.0.1:80 - 10.0.0.2:5", 1, (Holder(159, "sh"),)))
    one = seen(full_of(anon=2, kernel=44), kernel=KernelMemory(items))
    assert shown(one, "kernel_users") == (
        "Socket tcp 10.0.0.1:80 - 10.0.0.2:5 of sh (159) 9.0 MiB, pipe pipe:[7] of python3 (158) 8.0 MiB.")


def test_what_the_last_look_came_too_late_for_an_earlier_one_saw() -> None:
    pipe = KernelItem(KernelUse.PIPE, 8 << 10, "pipe:[7]", 1, (Holder(158, "python3"),), "fdinfo")
    pool = KernelItem(KernelUse.HUGETLB, 8 << 10, "pages of 2048 kB", 4, (), "hugepages-2048kB")
    used = replace(pool, holders=(Holder(300, "postgres"),))
    slab = KernelItem(KernelUse.SLAB, 20 << 10, source="memory.stat")
    early, late = KernelMemory((pipe, replace(slab, kb=5), used)), KernelMemory((slab, pool))
    one = seen(full_of(anon=2, kernel=44))
    assert one.witness is not None
    looks = tuple(replace(one.witness.looks[0], kernel=kernel) for kernel in (early, late))
    one = replace(one, witness=replace(one.witness, looks=looks))
    assert shown(one, "kernel_users") == (
        "Hugetlb pages of 2048 kB of postgres (300) 8.0 MiB, pipe pipe:[7] of python3 (158) 8.0 MiB.")
    found = witnessed.kernel(one)
    assert found is not None and found.items == (slab, used, pipe)


def test_what_no_counter_has_of_the_machine() -> None:
    meminfo = MemInfo(tail={"ram_pages": 262144, "hwpoisoned_pages": 0, "highmem_pages": 0, "reserved_pages": 0})
    kernel = KernelMemory((KernelItem(KernelUse.SLAB, 70 << 10, "dentry", 5),), 300 << 10, {"MemTotal": 1 << 20})
    one = made(kind="global", meminfo=meminfo, witness=Witness((Look(Occasion.RECLAIM, 1, kernel=kernel),)),
               kills=(Kill(158, "python3"),))
    assert shown(one, "kernel_users").startswith("Slab dentry 70.0 MiB. 300.0 MiB (307200 kB) is in no counter")


def test_what_the_kernel_and_a_look_know_together() -> None:
    """The process was going when somebody looked: its memory, and so its command line, was gone."""
    by_kernel = Identity(158, "python3", ("python3", "-m", "etl"), start_ns=10_000_000_000, source="bpf")
    late = replace(ETL, cmdline=None, parent_comm="conmon")
    found = witnessed.identity(event(look(late), tasks=(by_kernel,)), 158, "python3")
    assert found is not None
    assert (found.cmdline, found.parent_comm, found.user) == (("python3", "-m", "etl"), "conmon", "etl")


def test_the_largest_by_their_commands() -> None:
    small, large = (Identity(pid, "python3", ("python3", "-m", name), rss_kb=kb << 10)
                    for pid, name, kb in ((159, "etl.index", 2), (160, "etl.sort", 5)))
    assert shown(event(look(ETL, small, large)), "commands") == (
        "`python3 -m etl.sort` (160) 5.0 MiB, `python3 -m etl.index` (159) 2.0 MiB.")
    assert shown(event(look(ETL)), "commands") == ""


def test_what_was_full_goes_by_the_name_of_its_container() -> None:
    full = why.explain(event(look(ETL))).finding("full")
    assert full is not None and full.value("container") == "container orders-etl (image etl:1.4)"
    assert "(container orders-etl (image etl:1.4)) was at its memory limit" in full.sentence

"""What looks saw, on a page: two tables, and text stays text."""

from __future__ import annotations

from oomtrace.model import (
    Area,
    Container,
    Holder,
    Identity,
    KernelItem,
    KernelMemory,
    KernelUse,
    Look,
    Mapped,
    Occasion,
    SharedFile,
    SharedMemory,
    TaskMemory,
    Witness,
)
from tests.events import changed
from tests.page.scenes import HOSTILE, captured, page


def test_what_was_seen() -> None:
    event = captured("demo")
    victim = event.report.kills[0]
    one = Identity(victim.pid, victim.comm, ("python3", "-m", "etl", HOSTILE), parent_comm="conmon", uid=1000,
                   user="etl", age_ns=180 * 10**9, container_id="77", rss_kb=30000)
    look = Look(
        Occasion.OOM, 1, tasks=(one,), containers=(Container("77", "podman", "orders-etl"),),
        anonymous=(TaskMemory(victim.pid, victim.comm, mappings=(Mapped(Area.HEAP, None, 2, 40000, 30000),)),),
        shared=SharedMemory((), (SharedFile(f"/dev/shm/{HOSTILE}", 2048, True, 7200 * 10**9, (), True),), 1),
        kernel=KernelMemory((KernelItem(KernelUse.PIPE, 64, "pipe:[7]", 1, (Holder(5, "app"),)),)),
    )
    source = page(changed(event, witness=Witness((look,))))
    assert 'id="table-people"' in source and 'id="table-seen"' in source
    for words in ("orders-etl", "conmon", "3 min", "memory of a process: heap", "2 h old, deleted", "nobody",
                  "kernel: pipe", "app (5)"):
        assert words in source
    assert HOSTILE not in source


def test_shared_memory_is_told_by_file_in_what_filled_it() -> None:
    event = captured("tmpfs")
    files = (SharedFile("/dev/shm/ring", 38 << 10), SharedFile(f"memfd:{HOSTILE}", 2048))
    look = Look(Occasion.OOM, 1, shared=SharedMemory((), files, 2))
    filled = page(changed(event, witness=Witness((look,)))).split('id="composition"')[1].split("</section>")[0]
    assert "/dev/shm/ring" in filled and "38.0 MiB" in filled and HOSTILE not in filled
    without = page(changed(event, witness=None)).split('id="composition"')[1].split("</section>")[0]
    assert "/dev/shm/ring" not in without


def test_nobody_has_looked() -> None:
    source = page(changed(captured("demo"), witness=None))
    assert 'id="table-people"' not in source and 'id="table-seen"' not in source

"""Code around an OOM, made for tests: a C program, one of Python, and a kernel thread."""

from __future__ import annotations

from oomtrace.model import (
    Charge,
    Code,
    CodeFrame,
    CodeSample,
    CodeStack,
    Ending,
    Moment,
    NoStack,
    ThreadStack,
)

MIB = 1 << 20
_CATALOG, _LIBC = "/opt/shop/catalog", "/usr/lib/x86_64-linux-gnu/libc.so.6"

FRAMES = (
    CodeFrame("parse_row", _CATALOG, 0x11A0, "src/catalog.c", 12, build_id="ab" * 20),
    CodeFrame("load_catalog", _CATALOG, 0x11F0, "src/catalog.c", 21, build_id="ab" * 20),
    CodeFrame("main", _CATALOG, 0x1090, "src/catalog.c", 7, build_id="ab" * 20),
    CodeFrame("__libc_start_main", _LIBC, 0x27200, library=True, build_id="cd" * 20),
    CodeFrame("make_cache", _CATALOG, 0x1300, "src/catalog.c", 40, build_id="ab" * 20),
    CodeFrame("memset", _LIBC, 0x9000, library=True, build_id="cd" * 20),
    CodeFrame(None, "/opt/shop/libshelf.so", 0x1234, build_id="ef" * 20),
    CodeFrame("Catalog.fill", None, None, "/srv/shop/catalog.py", 9, "python"),
    CodeFrame("<module>", None, None, "/srv/shop/catalog.py", 31, "python"),
)
STACKS = (
    CodeStack((0, 1, 2, 3)),
    CodeStack((5, 4, 2, 3)),
    CodeStack((6, 1), Ending.CUT),
    CodeStack((5, 7, 8, 3), None, Moment.SAME),
)
SAMPLES = (
    CodeSample(0, 158, 158, "catalog", 36 * MIB, 9, Charge.ANON, "/shop"),
    CodeSample(1, 158, 158, "catalog", 8 * MIB, 2, Charge.ANON, "/shop"),
    CodeSample(3, 170, 170, "python3", 12 * MIB, 3, Charge.ANON, "/shop"),
    CodeSample(2, 159, 158, "catalog", 4 * MIB, 1, Charge.FILE, "/shop"),
    CodeSample(None, 40, 40, "kworker/0:1", 1 * MIB, 1, Charge.KERNEL, "/shop", NoStack.KERNEL_THREAD),
)
CODE = Code(
    FRAMES, STACKS, SAMPLES, asker=ThreadStack(170, 170, "python3", 3), victim=ThreadStack(158, 158, "catalog", 0),
    victim_charged=ThreadStack(159, 158, "catalog", 2), window_ns=9_000_000_000, sample_bytes=256 * 1024,
    samples_lost=0, unwinder="libdw",
)

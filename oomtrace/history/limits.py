"""Values that the kernel takes for "no limit", and how much it prints at a time."""

from __future__ import annotations

from typing import Optional

from .releases import Version

PAGE_SIZES_KB = (4, 8, 16, 64)
_LONG_MAX = (1 << 63) - 1
_LONG_MAX_32 = (1 << 31) - 1

# 64-bit: a limit of this much or more is none. PAGE_COUNTER_MAX in kB is more with every page size, and so is what the
# res_counter of kernels before 3.19 prints: LLONG_MAX or ULLONG_MAX >> 10 (3e32cb2e0a12 replaced it).
_NO_LIMIT_KB = 1 << 52


def page_counter_max(page_kb: int) -> int:
    """PAGE_COUNTER_MAX in pages (include/linux/page_counter.h): what memory.max has if there is no limit. 64-bit."""
    return _LONG_MAX // (page_kb << 10)


def is_no_limit_kb(limit_kb: int) -> bool:
    """Is this what the report prints where there is no limit?"""
    return limit_kb >= _NO_LIMIT_KB or limit_kb in _NO_LIMIT_32_KB


# 32-bit: PAGE_COUNTER_MAX is LONG_MAX pages.
_NO_LIMIT_32_KB = frozenset(_LONG_MAX_32 * page_kb for page_kb in PAGE_SIZES_KB)


def page_kb_of(limit_kb: Optional[int]) -> Optional[int]:
    """The page size that a limit in kB shows: PAGE_COUNTER_MAX differs with it. None for any other limit."""
    for page_kb in PAGE_SIZES_KB:
        if limit_kb in (page_counter_max(page_kb) * page_kb, _LONG_MAX_32 * page_kb):
            return page_kb
    return None


def record_bytes(at: Version) -> int:
    """The longest text of a printk record; the rest of a longer one is lost (kernel/printk).

    LOG_LINE_MAX less the level and the final zero up to 6.2, PRINTKRB_RECORD_MAX from 6.3 on.
    """
    return 989 if at < (6, 3) else 1021

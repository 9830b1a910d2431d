"""Memory that is in swap is left there."""

from __future__ import annotations

import mmap
from pathlib import Path
from struct import pack

import pytest

from oomtrace.code.python.walk import Memory

PAGE = mmap.PAGESIZE
PRESENT, SWAPPED = 1 << 63, 1 << 62  # Documentation/admin-guide/mm/pagemap.rst


def test_what_is_in_swap_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "mem").write_bytes(bytes(range(64)) * (3 * PAGE // 64))
    (folder / "pagemap").write_bytes(pack("<3Q", PRESENT, SWAPPED, 0))
    memory = Memory(7, str(tmp_path))
    try:
        assert memory.read(1, 2) == b"\1\2"
        for address, size in ((PAGE, 1), (PAGE - 4, 8), (2 * PAGE - 1, 4)):
            with pytest.raises(OSError, match="in swap"):
                memory.read(address, size)
        assert memory.word(2 * PAGE) == int.from_bytes(bytes(range(8)), "little"), "never touched, or of a file"
    finally:
        memory.close()
    (folder / "pagemap").unlink()
    with pytest.raises(OSError):
        Memory(7, str(tmp_path))

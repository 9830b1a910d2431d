"""What processes of a reproduction do, where that can be tried without a guest."""

from __future__ import annotations

import errno
import mmap

import pytest

from oomtrace.repro.workloads import anon


class Area(mmap.mmap):
    """Memory of a kernel that refuses any advice."""

    refusal = errno.EINVAL

    def madvise(self, *_: int) -> None:
        raise OSError(self.refusal, "no")


def test_memory_is_taken_without_transparent_huge_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    area = Area(-1, 4096)
    anon._advise(area, 15)  # as it is, with PREEMPT_RT
    monkeypatch.setattr(Area, "refusal", errno.ENOMEM)
    with pytest.raises(OSError):
        anon._advise(area, 15)

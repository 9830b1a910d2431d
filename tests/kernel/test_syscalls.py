"""What a system call's error is called."""

from __future__ import annotations

import ctypes

import pytest

from oomtrace.kernel import syscalls


class _Refuses:
    """A C library whose system calls fail."""

    def __init__(self, error: int) -> None:
        self._error = error

    def syscall(self, *arguments: object) -> int:
        ctypes.set_errno(self._error)
        return -1


@pytest.mark.parametrize("error, said", [(1, "Operation not permitted"), (524, "Operation not supported")])
def test_an_error_is_said_in_words(error: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "_libc", _Refuses(error))
    with pytest.raises(OSError) as raised:
        syscalls.bpf(28, b"\0" * 8)
    assert (raised.value.errno, raised.value.strerror) == (error, said)

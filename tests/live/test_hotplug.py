"""Messages of CPUs and modules that come and go."""

from __future__ import annotations

import errno
import socket

import pytest

from oomtrace.live.hotplug import Changes, Hotplug, attach_filter


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> "tuple[Hotplug, socket.socket]":
    ours, kernels = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    hotplug = Hotplug()
    hotplug.close()
    monkeypatch.setattr(hotplug, "_socket", ours)
    return hotplug, kernels


def test_changes_in_their_order(heard: "tuple[Hotplug, socket.socket]") -> None:
    hotplug, kernel = heard
    for message in (
        b"offline@/devices/system/cpu/cpu1\0ACTION=offline\0", b"add@/devices/virtual/bdi/1:2\0ACTION=add\0",
        b"online@/devices/system/cpu/cpu1\0ACTION=online\0", b"online@/devices/system/cpu/cpu12\0",
    ):
        kernel.send(message)
    assert hotplug.changes() == Changes([(1, False), (1, True), (12, True)])
    assert hotplug.changes() == Changes()


@pytest.mark.parametrize("message", [b"add@/module/nf_tables\0ACTION=add\0", b"remove@/module/xfs\0"])
def test_modules_that_come_and_go(heard: "tuple[Hotplug, socket.socket]", message: bytes) -> None:
    hotplug, kernel = heard
    kernel.send(message)
    assert hotplug.changes() == Changes(modules=True)
    assert hotplug.changes() == Changes()


class Overrun:
    """A socket that has lost messages before the one it still has."""

    def __init__(self) -> None:
        kept = b"online@/devices/system/cpu/cpu3\0"
        self._next: "list[object]" = [OSError(errno.ENOBUFS, ""), kept, BlockingIOError()]

    def recv(self, _bytes: int) -> object:
        found = self._next.pop(0)
        if isinstance(found, OSError):
            raise found
        return found


def test_messages_that_were_lost_are_known_of(monkeypatch: pytest.MonkeyPatch) -> None:
    hotplug = Hotplug()
    hotplug.close()
    monkeypatch.setattr(hotplug, "_socket", Overrun())
    assert hotplug.changes() == Changes([(3, True)], modules=True, missed=True)


def test_other_messages_wake_nobody() -> None:
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    attach_filter(ours)
    kept = [b"offline@/devices/system/cpu/cpu1\0", b"online@/devices/system/cpu/cpu1\0", b"add@/module/xfs\0",
            b"remove@/module/xfs\0"]
    for message in (b"add@/devices/virtual/net/veth1\0", b"change@/devices/x\0", b"add@", b"", *kept):
        kernel.send(message)
    assert [ours.recv(100) for _ in kept] == kept
    with pytest.raises(BlockingIOError):
        ours.recv(100)


def test_a_real_socket_opens_and_closes() -> None:
    hotplug = Hotplug()
    assert hotplug.changes() == Changes()
    hotplug.close()

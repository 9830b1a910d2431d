"""Messages of CPUs that come and go."""

from __future__ import annotations

import socket

import pytest

from oomtrace.live.hotplug import Hotplug


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
    assert hotplug.changes() == [(1, False), (1, True), (12, True)]
    assert hotplug.changes() == []


def test_a_real_socket_opens_and_closes() -> None:
    hotplug = Hotplug()
    assert hotplug.changes() == []
    hotplug.close()

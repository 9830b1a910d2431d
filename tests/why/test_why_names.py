"""Whose a memory cgroup is, from its path alone."""

from __future__ import annotations

from typing import Optional

import pytest

from oomtrace.why import names

_ID = "0123456789abcdef" * 4
_POD = "951f6bc5-c5a5-11ea-8707-80e455f266a2"
_POD_ = _POD.replace("-", "_")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (f"/docker/{_ID}", "container 0123456789ab (docker)"),
        (f"/system.slice/docker-{_ID}.scope", "container 0123456789ab (docker)"),
        (f"/system.slice/docker-{_ID}.scope/init", "container 0123456789ab (docker)"),
        (f"/kubepods/burstable/pod{_POD}/{_ID}", f"container 0123456789ab of pod {_POD} (burstable)"),
        (f"/kubepods/pod{_POD}/{_ID}", f"container 0123456789ab of pod {_POD} (guaranteed)"),
        (f"/kubepods/besteffort/pod{_POD}", f"pod {_POD} (besteffort)"),
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{_POD_}.slice/cri-containerd-{_ID}.scope",
            f"container 0123456789ab (containerd) of pod {_POD} (burstable)",
        ),
        (
            f"/kubepods.slice/kubepods-pod{_POD_}.slice/crio-{_ID}.scope",
            f"container 0123456789ab (CRI-O) of pod {_POD} (guaranteed)",
        ),
        (
            f"/kubepods.slice/kubepods-pod{_POD_}.slice/crio-conmon-{_ID}.scope",
            f"container's monitor 0123456789ab (CRI-O) of pod {_POD} (guaranteed)",
        ),
        (f"/kubepods.slice/kubepods-pod{_POD_}.slice", f"pod {_POD} (guaranteed)"),
        ("/kubepods.slice/kubepods-besteffort.slice", "the cgroup of all besteffort pods"),
        ("/kubepods/burstable", "the cgroup of all burstable pods"),
        ("/kubepods", "the cgroup of all pods"),
        (
            f"/system.slice/containerd.service/kubepods-burstable-pod{_POD_}.slice:cri-containerd:{_ID}",
            f"container 0123456789ab (containerd) of pod {_POD} (burstable)",
        ),
        (
            f"/docker/{_ID}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{_POD_}.slice",
            f"pod {_POD} (guaranteed)",
        ),
        (f"/machine.slice/libpod-{_ID}.scope/container", "container 0123456789ab (podman)"),
        (f"/libpod_parent/libpod-{_ID}", "container 0123456789ab (podman)"),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{_ID}.scope",
         "container 0123456789ab (podman)"),
        ("/lxc/101/ns", "container 101 (LXC)"),
        ("/lxc.payload.web/system.slice", "slice system.slice"),
        ("/lxc.payload.web", "container web (LXC)"),
        ("/machine.slice/machine-qemu\\x2d3\\x2ddb.scope", "virtual machine db"),
        ("/machine.slice/machine-build.scope", "container build (systemd-machined)"),
        ("/system.slice/nginx.service", "service nginx.service"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "service getty@tty1.service"),
        ("/system.slice/dev-disk\\x2dby.mount", "mount dev-disk-by.mount"),
        ("/user.slice/user-1000.slice/session-3.scope", "login session 3 of user 1000"),
        ("/user.slice/user-1000.slice", "everything of user 1000"),
        ("/mesos/2b1f0a5e-aaaa-bbbb", "Mesos container 2b1f0a5e-aaaa-bbbb"),
        (f"/ecs/task7/{_ID}", "container 0123456789ab"),
        ("/ecs/task7", "ECS task task7"),
    ],
)
def test_owner(path: str, text: str) -> None:
    found = names.owner(path)
    assert found is not None
    assert found.text == text


@pytest.mark.parametrize("path", ["/", "/foo", "/foo/bar", f"/build/{_ID}", "/a b,c=d", ""])
def test_a_path_that_does_not_say(path: str) -> None:
    assert names.owner(path) is None
    assert names.described(path) == path


def test_parts_of_a_container() -> None:
    found = names.owner(f"/kubepods/burstable/pod{_POD}/{_ID}")
    assert found is not None
    assert (found.kind, found.container_id, found.pod_uid, found.qos) == ("container", _ID, _POD, "burstable")


@pytest.mark.parametrize(
    ("above", "below", "levels"),
    [("/a", "/a", 0), ("/a", "/a/b/c", 2), ("/", "/a", 1), ("/a/b", "/a", None), ("/a", "/ab", None), ("/", "/", 0)],
)
def test_levels(above: str, below: str, levels: Optional[int]) -> None:
    assert names.levels_between(above, below) == levels

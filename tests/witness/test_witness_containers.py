"""Containers by their runtimes' state, laid out as the runtimes lay it out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Optional

import pytest

from oomtrace.model import Aspect, Container, Cut, Missed
from oomtrace.witness import Budget, Reader

from .machine import CGROUP2, ROOT_MOUNT, Machine

ID = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4
UID = "12345678-1234-1234-1234-123456789abc"
STORAGE = "/var/lib/containers/storage/overlay-containers"


def found(machine: Machine, path: str, pid: int = 0) -> Optional[Container]:
    """What a look tells of a memcg."""
    look = Reader(str(machine.root)).look(path, [pid] if pid else [], Budget(10**12, 1 << 30))
    return look.containers[0] if look.containers else None


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("path", [f"/docker/{ID}", f"/system.slice/docker-{ID}.scope", f"/docker/{ID}/app.slice"])
def test_docker(machine: Machine, path: str) -> None:
    state = f"/var/lib/docker/containers/{ID}/config.v2.json"
    machine.file(state, {"ID": ID, "Name": "/orders-etl", "Config": {"Image": "etl:1.4", "Labels": {}}})
    container = found(machine, path)
    assert container is not None
    assert (container.id, container.runtime, container.name, container.image) == (ID, "docker", "orders-etl", "etl:1.4")
    assert container.source == state
    assert container.pod is None


def test_one_that_is_gone_is_known_by_its_first_charge(machine: Machine) -> None:
    state = machine.file(f"/var/lib/docker/containers/{ID}/config.v2.json",
                         {"Name": "/orders-etl", "Config": {"Image": "etl:1.4"}})
    folder = machine.file(f"/sys/fs/cgroup/docker/{ID}/cgroup.procs", "").parent
    reader = Reader(str(machine.root))
    (early,) = reader.container(f"/docker/{ID}").containers
    assert (early.name, early.image) == ("orders-etl", "etl:1.4")
    state.unlink()
    assert reader.look(f"/docker/{ID}").containers == (early,)
    shutil.rmtree(folder)
    assert reader.look(f"/docker/{ID}").containers == (early,)


def test_what_its_runtime_has_not_written_yet_is_looked_for_again(machine: Machine) -> None:
    machine.file(f"/sys/fs/cgroup/docker/{ID}/cgroup.procs", "")
    reader = Reader(str(machine.root))
    assert [one.name for one in reader.container(f"/docker/{ID}").containers] == [None]
    state = machine.file(f"/var/lib/docker/containers/{ID}/config.v2.json",
                         {"Name": "/orders-etl", "Config": {"Image": "etl:1.4"}})
    assert reader.look(f"/docker/{ID}").containers[0].name == "orders-etl"
    state.unlink()
    assert reader.look(f"/docker/{ID}").containers[0].name == "orders-etl"


def test_docker_elsewhere(machine: Machine) -> None:
    """data-root, by a link besides."""
    machine.file("/etc/docker/daemon.json", {"data-root": "/srv/docker"})
    machine.link("/srv", "/mnt/disk")
    machine.file(f"/mnt/disk/docker/containers/{ID}/config.v2.json", {"Name": "/db", "Config": {"Image": "pg:16"}})
    container = found(machine, f"/docker/{ID}")
    assert container is not None and (container.name, container.image) == ("db", "pg:16")


def test_pod_of_cri_dockerd(machine: Machine) -> None:
    labels = {"io.kubernetes.container.name": "etl", "io.kubernetes.pod.name": "orders-etl-7c9",
              "io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.uid": UID}
    machine.file(f"/var/lib/docker/containers/{ID}/config.v2.json",
                 {"Name": f"/k8s_etl_orders-etl-7c9_shop_{UID}_0", "Config": {"Image": "etl@sha256", "Labels": labels}})
    container = found(machine, f"/kubepods/burstable/pod{UID}/{ID}")
    assert container is not None
    assert (container.name, container.pod, container.pod_namespace, container.pod_uid) == (
        "etl", "orders-etl-7c9", "shop", UID)


@pytest.mark.parametrize("path", [
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice/"
    f"cri-containerd-{ID}.scope",
    f"/kubepods/burstable/pod{UID}/{ID}",
    f"/system.slice/containerd.service/kubepods-burstable-pod{UID.replace('-', '_')}.slice:cri-containerd:{ID}",
])
def test_containerd_of_kubernetes(machine: Machine, path: str) -> None:
    annotations = {
        "io.kubernetes.cri.container-name": "etl", "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.image-name": "registry.example/etl:1.4", "io.kubernetes.cri.sandbox-id": OTHER,
        "io.kubernetes.cri.sandbox-name": "orders-etl-7c9", "io.kubernetes.cri.sandbox-namespace": "shop",
        "io.kubernetes.cri.sandbox-uid": UID,
    }
    state = f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json"
    machine.file(state, {"annotations": annotations})
    container = found(machine, path)
    assert container is not None and container.source == state
    assert (container.runtime, container.name, container.image) == ("containerd", "etl", "registry.example/etl:1.4")
    assert (container.pod, container.pod_namespace, container.pod_uid) == ("orders-etl-7c9", "shop", UID)


def test_containerd_by_ctr(machine: Machine) -> None:
    """Its path is /NAMESPACE/NAME, and the name is whatever somebody gave it."""
    machine.file("/run/containerd/io.containerd.runtime.v2.task/default/orders-etl/config.json", {"annotations": {}})
    container = found(machine, "/default/orders-etl")
    assert container is not None
    assert (container.id, container.name, container.runtime) == ("orders-etl", "orders-etl", "containerd")
    assert found(machine, "/default/another") is None


def test_pod_by_the_kubelets_logs(machine: Machine) -> None:
    """The runtime's state is not where it is looked for."""
    (machine.root / f"var/log/pods/shop_orders-etl-7c9_{UID}/etl").mkdir(parents=True)
    (machine.root / "var/log/pods/shop_other_00000000-1234-1234-1234-123456789abc/x").mkdir(parents=True)
    container = found(machine, f"/kubepods/burstable/pod{UID}/{ID}")
    assert container is not None
    assert (container.name, container.pod, container.pod_namespace) == ("etl", "orders-etl-7c9", "shop")


@pytest.mark.parametrize("path", [
    f"/kubepods/burstable/pod{UID}",
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice",
])
def test_a_pod_itself(machine: Machine, path: str) -> None:
    """Its limit is for all of its containers."""
    for name in ("etl", "sidecar"):
        (machine.root / f"var/log/pods/shop_orders-etl-7c9_{UID}/{name}").mkdir(parents=True)
    pod = found(machine, path)
    assert pod is not None
    assert (pod.id, pod.name, pod.pod, pod.pod_namespace) == (UID, None, "orders-etl-7c9", "shop")


def storage(machine: Machine, folder: str = STORAGE, volatile: bool = False, **metadata: str) -> None:
    """As podman leaves it: the name and the image are in the list, not in config.json."""
    row = {"id": ID, "names": ["orders-etl"], "metadata": '{"image-name":"localhost/etl:1.4","name":"orders-etl"}'}
    name = "volatile-containers.json" if volatile else "containers.json"
    machine.file(f"{folder}/{name}", [{"id": OTHER, "names": ["x"]}, row])
    machine.file(f"{folder}/{ID}/userdata/config.json", {"annotations": {"io.container.manager": "libpod", **metadata}})


@pytest.mark.parametrize("path", [f"/libpod_parent/libpod-{ID}", f"/machine.slice/libpod-{ID}.scope/container"])
@pytest.mark.parametrize("volatile", [False, True])
def test_podman(machine: Machine, path: str, volatile: bool) -> None:
    storage(machine, volatile=volatile)
    container = found(machine, path)
    assert container is not None
    assert (container.runtime, container.name, container.image) == ("podman", "orders-etl", "localhost/etl:1.4")


def test_rootless_podman(machine: Machine) -> None:
    storage(machine, "/home/shop/.local/share/containers/storage/overlay-containers")
    path = f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container"
    container = found(machine, path)
    assert container is not None and container.name == "orders-etl"


def test_rootless_podman_in_a_home_that_may_hang(tmp_path: Path) -> None:
    machine = Machine(tmp_path, ROOT_MOUNT + CGROUP2 + "40 22 0:50 / /home rw - nfs4 server:/home rw\n")
    storage(machine, "/home/shop/.local/share/containers/storage/overlay-containers")
    look = Reader(str(tmp_path)).look(f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope")
    assert look.containers[0].name is None
    assert any(cut.why is Missed.FOREIGN and cut.aspect is Aspect.CONTAINER for cut in look.cut)


def test_podman_elsewhere_by_its_monitor(machine: Machine) -> None:
    """podman --root FOLDER: only conmon's command line knows."""
    folder = "/srv/own/overlay-containers"
    storage(machine, folder)
    bundle = f"{folder}/{ID}/userdata"
    machine.process(50, "conmon", ["/usr/bin/conmon", "-c", ID, "-n", "orders-etl", "-b", bundle, "--exit-dir", "x"])
    machine.process(51, "sh", parent=50, cgroup=f"/libpod_parent/libpod-{ID}")
    container = found(machine, f"/libpod_parent/libpod-{ID}", 51)
    assert container is not None and (container.name, container.image) == ("orders-etl", "localhost/etl:1.4")


def test_crio(machine: Machine) -> None:
    annotations = {
        "io.container.manager": "cri-o", "io.kubernetes.cri-o.ContainerType": "container",
        "io.kubernetes.container.name": "etl", "io.kubernetes.pod.name": "orders-etl-7c9",
        "io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.uid": UID,
        "io.kubernetes.cri-o.ImageName": "registry.example/etl:1.4",
    }
    machine.file(f"{STORAGE}/{ID}/userdata/config.json", {"annotations": annotations})
    container = found(machine, f"/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/crio-{ID}.scope")
    assert container is not None
    assert (container.runtime, container.name, container.image) == ("CRI-O", "etl", "registry.example/etl:1.4")
    assert (container.pod_namespace, container.pod) == ("shop", "orders-etl-7c9")


@pytest.mark.parametrize("path", ["/lxc.payload.web", "/lxc/web", "/lxc.payload/web/system.slice/app.service"])
def test_lxc(machine: Machine, path: str) -> None:
    machine.file("/var/lib/lxc/web/config",
                 "# Template used to create this container: /usr/share/lxc/templates/lxc-debian\n")
    container = found(machine, path)
    assert container is not None
    assert (container.runtime, container.name, container.image) == ("LXC", "web", "lxc-debian")


def test_incus(machine: Machine) -> None:
    machine.file("/var/lib/incus/containers/web/backup.yaml",
                 "container:\n  config:\n    image.description: Debian bookworm amd64\n")
    container = found(machine, "/lxc.payload.web")
    assert container is not None and container.image == "Debian bookworm amd64"


@pytest.mark.parametrize("path", [
    r"/machine.slice/systemd-nspawn@build\x2dbox.service/payload", r"/machine.slice/machine-build\x2dbox.scope",
])
def test_nspawn(machine: Machine, path: str) -> None:
    machine.file("/run/systemd/machines/build-box", "NAME=build-box\nCLASS=container\nSERVICE=systemd-nspawn\n"
                                                    "ROOT=/var/lib/machines/build-box\n")
    container = found(machine, path)
    assert container is not None
    assert (container.runtime, container.name, container.image) == (
        "systemd-nspawn", "build-box", "/var/lib/machines/build-box")


@pytest.mark.parametrize("path", ["/", "/system.slice/app.service", f"/build/{ID}x", "/user.slice/user-1000.slice"])
def test_no_container(machine: Machine, path: str) -> None:
    assert found(machine, path) is None


def test_the_path_alone(machine: Machine) -> None:
    """Its state is gone: what the path says stays, and nothing is made up."""
    container = found(machine, f"/docker/{ID}")
    assert container is not None
    assert (container.id, container.runtime, container.name, container.image) == (ID, "docker", None, None)


def test_damaged_state(machine: Machine) -> None:
    machine.file(f"/var/lib/docker/containers/{ID}/config.v2.json", '{"Name": "/ord')
    look = Reader(str(machine.root)).look(f"/docker/{ID}")
    assert look.containers[0].name is None
    assert Cut(Aspect.CONTAINER, Missed.DAMAGED, f"/var/lib/docker/containers/{ID}/config.v2.json") in look.cut


def test_it_is_remembered_while_it_lives(machine: Machine) -> None:
    """And asked for anew when its memcg is made anew: another inode."""
    state = machine.file(f"/var/lib/docker/containers/{ID}/config.v2.json", {"Name": "/one", "Config": {}})
    folder = machine.root / f"sys/fs/cgroup/docker/{ID}"
    folder.mkdir(parents=True)
    reader = Reader(str(machine.root))
    assert reader.look(f"/docker/{ID}").containers[0].name == "one"
    state.unlink()
    assert reader.look(f"/docker/{ID}").containers[0].name == "one"
    (folder.parent / "keep").mkdir()  # so that the inode is not given out again
    folder.rmdir()
    (folder.parent / "keep2").mkdir()
    folder.mkdir()
    assert reader.look(f"/docker/{ID}").containers[0].name is None

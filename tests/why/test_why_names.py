"""Whose a memory cgroup is, from its path alone."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from oomtrace import text, why
from oomtrace.output.base import with_names
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
            f"pod {_POD} (guaranteed) in container 0123456789ab (docker)",
        ),
        (f"/machine.slice/libpod-{_ID}.scope/container", "container 0123456789ab (podman)"),
        (f"/libpod_parent/libpod-{_ID}", "container 0123456789ab (podman)"),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{_ID}.scope",
         "container 0123456789ab (podman)"),
        ("/lxc/101/ns", "container 101 (LXC)"),
        ("/lxc.payload.web/system.slice", "slice system.slice of container web (LXC)"),
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


_USER = "/user.slice/user-1000.slice/user@1000.service"
_UUID = "54b38acc-3ba2-4c6d-b284-7ac07e1159e5"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/lxc/703/ns/system.slice/app.service", "service app.service of container 703 (LXC)"),
        (f"/lxc/703/ns/system.slice/docker-{_ID}.scope", "container 0123456789ab (docker) in container 703 (LXC)"),
        ("/lxc/7/ns/lxc/8/ns/init.scope", "scope init.scope of container 8 (LXC) in container 7 (LXC)"),
        ("/lxc.payload.web/user.slice/user-1000.slice", "everything of user 1000 of container web (LXC)"),
        ("/lxc.monitor.web", "the monitor of container web (LXC)"),
        (f"/docker/{_ID}/system.slice/app.service", "service app.service of container 0123456789ab (docker)"),
        (f"/machine.slice/libpod-{_ID}.scope/container/system.slice/app.service",
         "service app.service of container 0123456789ab (podman)"),
        ("/machine.slice/systemd-nspawn@debian.service", "container debian (systemd-nspawn)"),
        ("/machine.slice/systemd-nspawn@debian.service/payload", "container debian (systemd-nspawn)"),
        ("/machine.slice/systemd-nspawn@my\\x2dbox.service/payload/system.slice/app.service",
         "service app.service of container my-box (systemd-nspawn)"),
        ("/machine.slice/machine-build.scope/payload/system.slice/app.service",
         "service app.service of container build (systemd-machined)"),
    ],
)
def test_a_part_of_a_container_names_both(path: str, text: str) -> None:
    assert names.short(path) == text
    assert names.described(path).endswith(f" ({text})")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/qemu.slice/101.scope", "virtual machine 101"),
        ("/machine.slice/machine-qemu\\x2d12\\x2dinstance\\x2d0abc.scope/libvirt/emulator",
         "virtual machine instance-0abc"),
        ("/machine/db.libvirt-qemu/emulator", "virtual machine db"),
        ("/machine/qemu-3-db.libvirt-qemu", "virtual machine db"),
        ("/libvirt/qemu/db/vcpu0", "virtual machine db"),
        ("/machine.slice/systemd-vmspawn@db.service", "virtual machine db"),
    ],
)
def test_virtual_machines(path: str, text: str) -> None:
    found = names.owner(path)
    assert found is not None and (found.kind, found.text) == ("VM", text)
    assert names.described(path) == f"{path} ({text})"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/slurm/uid_1000/job_1234", "job 1234 (Slurm) of user 1000"),
        ("/slurm/uid_1000/job_1234/step_0/task_0", "step 0 of job 1234 (Slurm) of user 1000"),
        ("/slurm_node3/uid_7/job_9/step_batch", "the batch step of job 9 (Slurm) of user 7"),
        ("/slurm/uid_1000", "all jobs of user 1000 (Slurm)"),
        ("/system.slice/slurmstepd.scope/job_1234/step_0/user/task_0", "step 0 of job 1234 (Slurm)"),
        ("/system.slice/node1_slurmstepd.scope/job_7/step_extern/user", "the extern step of job 7 (Slurm)"),
        ("/pbs_jobs.service/jobid/2404743.opbs", "job 2404743.opbs (PBS)"),
        ("/pbs_jobs.service/jobs/12[3].server", "job 12[3].server (PBS)"),
        ("/pbspro/123.server", "job 123.server (PBS)"),
        ("/pbspro.slice/pbspro-123.server.slice", "job 123.server (PBS)"),
        ("/torque/123.server", "job 123.server (Torque)"),
        ("/lsf/cluster1/job.7222.32185.1504808181", "job 7222 (LSF)"),
        ("/UGE/4711.1", "job 4711.1 (Grid Engine)"),
        ("/htcondor/condor_var_lib_condor_execute_slot1", "the job in slot1 (HTCondor)"),
        ("/system.slice/condor.service/condor_var_lib_condor_execute_slot1_23@node.example",
         "the job in slot1_23 (HTCondor)"),
        ("/hadoop-yarn/container_e17_1558621002730_0013_01_000002",
         "container_e17_1558621002730_0013_01_000002 of application_1558621002730_0013 (YARN)"),
        (f"/nomad.slice/share.slice/{_UUID}.web.scope", "task web of allocation 54b38acc (Nomad)"),
    ],
)
def test_batch_jobs(path: str, text: str) -> None:
    assert names.short(path) == text


@pytest.mark.parametrize(
    ("path", "kind", "text"),
    [
        (f"{_USER}/app.slice/snap.firefox.firefox-{_UUID}.scope", "snap", "snap firefox of user 1000"),
        (f"{_USER}/app.slice/snap.chromium.chromium.{_UUID}.scope", "snap", "snap chromium of user 1000"),
        ("/system.slice/snap.lxd.daemon.service", "snap", "daemon of snap lxd"),
        (f"/system.slice/snap.pkg.hook.configure-{_UUID}.scope", "snap", "hook.configure of snap pkg"),
        (f"{_USER}/app.slice/app-flatpak-org.gimp.GIMP-4521.scope", "flatpak", "flatpak org.gimp.GIMP of user 1000"),
        (f"{_USER}/app.slice/app-flatpak-org.telegram.desktop@12345.service", "flatpak",
         "flatpak org.telegram.desktop of user 1000"),
        (f"{_USER}/app.slice/app-gnome-firefox-1234.scope", "application", "application firefox of user 1000"),
        (f"{_USER}/app.slice/app-gnome-google\\x2dchrome-88.scope", "application",
         "application google-chrome of user 1000"),
        (f"{_USER}/app.slice/app-org.kde.konsole@9f.service", "application",
         "application org.kde.konsole of user 1000"),
        (f"{_USER}/session.slice/org.gnome.Shell@wayland.service", "service",
         "service org.gnome.Shell@wayland.service of user 1000"),
        (_USER, "user", "the service manager of user 1000"),
        ("/system.slice/app-server.service", "service", "service app-server.service"),
        ("/user/1000.user/c2.session", "session", "login session c2 of user 1000"),
    ],
)
def test_what_a_user_runs(path: str, kind: str, text: str) -> None:
    found = names.owner(path)
    assert found is not None and (found.kind, found.text) == (kind, text)


@pytest.mark.parametrize("path", ["/job_5", "/a/job_7/step_0", "/1234.5", "/101.scope/x", "/a/condor", "/uid_5"])
def test_what_looks_alike_is_no_job(path: str) -> None:
    found = names.owner(path)
    assert found is None or found.kind in ("scope",)


def test_a_part_carries_what_encloses_it() -> None:
    found = names.owner(f"/docker/{_ID}/system.slice/app.service")
    assert found is not None
    assert (found.kind, found.unit, found.container_id, found.runtime) == ("service", "app.service", _ID, "docker")


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


@pytest.mark.parametrize("parent", ["k8s.io", "moby", "actions_job"])
def test_containers_of_other_parents(parent: str) -> None:
    found = names.owner(f"/{parent}/" + "9a269caec812" * 5 + "9a26")
    assert found is not None and found.text == "container 9a269caec812"


def test_a_service_in_a_container_and_a_virtual_machine() -> None:
    """The host has no such service, and people know a virtual machine by its number."""
    first, second = text.read([(Path(__file__).parent / "cases/lxc-and-vm-names.txt").read_bytes()])
    said = why.explain(with_names(first))
    assert said.headline.startswith("Service app.service of container 703 (LXC) reached its memory limit")
    killed = why.explain(with_names(second)).finding("killed")
    assert killed is not None and "/qemu.slice/101.scope (virtual machine 101)" in killed.sentence

"""deploy/kubernetes/: its files against the schemas of Kubernetes, and against the rest of the project. There is no
cluster: what was tried, and what not, stands in docs/kubernetes.md."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from oomtrace.cli.trace import command
from oomtrace.witness.containers import kubernetes
from tests.pages import REPOSITORY

FOLDER = REPOSITORY / "deploy/kubernetes"
VERSIONS = ("1.26", "1.31", "1.34")
CAPABILITIES = {"BPF", "PERFMON", "SYSLOG", "SETUID", "SETGID", "SYS_RESOURCE", "SYS_ADMIN"}


def rendered(name: str) -> list[Any]:
    """The resources as kubectl would apply them."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl, which has kustomize, is not here")
    made = subprocess.run(["kubectl", "kustomize", str(FOLDER / name)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"this kubectl has no kustomize that serves: {made.stderr.decode().strip()}")
    return list(yaml.safe_load_all(made.stdout))


def files() -> list[Path]:
    return [path for path in sorted(FOLDER.glob("*/*.yaml")) if path.name != "kustomization.yaml"]


def one(resources: list[Any], kind: str) -> Any:
    (found,) = [each for each in resources if each["kind"] == kind]
    return found


def container(daemonset: Any) -> Any:
    (found,) = daemonset["spec"]["template"]["spec"]["containers"]
    return found


def validate(resource: Any, version: str) -> None:
    schemas = pytest.importorskip("kubernetes_validate", reason="pip install -e '.[test]'")
    schemas.validate(resource, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_file_is_what_kubernetes_knows(version: str) -> None:
    for path in files():
        for resource in yaml.safe_load_all(path.read_text()):
            validate(resource, version)


@pytest.mark.parametrize("name", ["base", "events"])
def test_together_they_are(name: str) -> None:
    resources = rendered(name)
    for resource in resources:
        validate(resource, VERSIONS[-1])
        assert resource["kind"] in ("Namespace", "ClusterRole", "ClusterRoleBinding") or (
            resource["metadata"]["namespace"] == "oomtrace")
    one(resources, "DaemonSet")


def test_a_mistake_is_found() -> None:
    schemas = pytest.importorskip("kubernetes_validate", reason="pip install -e '.[test]'")
    daemonset = yaml.safe_load((FOLDER / "base/daemonset.yaml").read_text())
    container(daemonset)["securityContext"]["priviledged"] = True
    with pytest.raises(schemas.ValidationError):
        validate(daemonset, VERSIONS[-1])


def test_the_least_privileges() -> None:
    daemonset = yaml.safe_load((FOLDER / "base/daemonset.yaml").read_text())
    pod, security = daemonset["spec"]["template"]["spec"], container(daemonset)["securityContext"]
    assert not security["privileged"] and not security["allowPrivilegeEscalation"]
    assert security["readOnlyRootFilesystem"]
    assert security["capabilities"]["drop"] == ["ALL"] and set(security["capabilities"]["add"]) == CAPABILITIES
    assert not pod["automountServiceAccountToken"] and "hostNetwork" not in pod
    unit = (REPOSITORY / "systemd/oomtrace.service").read_text()
    bounding = re.findall(r"^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE)[0].split()
    assert {f"CAP_{name}" for name in CAPABILITIES} == set(bounding), "the service and the pod need the same"
    named = {mount["name"]: mount for mount in container(daemonset)["volumeMounts"]}
    assert set(named) == {volume["name"] for volume in pod["volumes"]}
    assert {name for name, mount in named.items() if not mount.get("readOnly")} == {"captures", "programs", "tmp"}


def test_pods_have_names() -> None:
    """By the kubelet's folder, and without a runtime's: its socket gives the whole node away."""
    daemonset = yaml.safe_load((FOLDER / "base/daemonset.yaml").read_text())
    pod = daemonset["spec"]["template"]["spec"]
    there = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    mounted = {mount["mountPath"]: there.get(mount["name"]) for mount in container(daemonset)["volumeMounts"]}
    assert mounted[kubernetes.LOGS] == kubernetes.LOGS
    assert not any(path.startswith("/run") for path in there.values())


@pytest.mark.parametrize("name", ["base", "events"])
def test_the_command_line_is_one(name: str) -> None:
    arguments = container(one(rendered(name), "DaemonSet"))["args"]
    assert arguments[0] == "trace"
    context = command.make_context("trace", list(arguments[1:]))
    assert context.params["quiet"] and context.params["output"] == "/var/lib/oomtrace/"
    assert (context.params["exec"] is not None) == (name == "events")


def test_events_have_the_hook_and_what_it_needs() -> None:
    resources = rendered("events")
    daemonset = one(resources, "DaemonSet")
    (hook,) = [word.partition("=")[2] for word in container(daemonset)["args"] if word.startswith("--exec=")]
    assert (REPOSITORY / "deploy/hooks" / Path(hook).name).is_file()
    copied = re.findall(r"^COPY deploy/hooks (.*)$", (REPOSITORY / "packaging/Containerfile").read_text(), re.MULTILINE)
    assert [str(Path(hook).parent)] == copied
    assert "NODE_NAME" in {each["name"] for each in container(daemonset)["env"]}
    assert daemonset["spec"]["template"]["spec"]["automountServiceAccountToken"] is True
    rules = one(resources, "ClusterRole")["rules"]
    assert [(rule["resources"], rule["verbs"]) for rule in rules] == [(["pods"], ["list"]), (["events"], ["create"])]
    (subject,) = one(resources, "ClusterRoleBinding")["subjects"]
    assert subject["name"] == one(resources, "ServiceAccount")["metadata"]["name"]

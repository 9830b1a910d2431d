"""Run in a guest: containers whose processes are killed at their limit, traced; what the trace says of each OOM.

    containers.py RUNTIMES CONTAINERS OOMS

RUNTIMES are podman, docker and ctr, with commas between them. Each container is removed as soon as it ends. Of its OOMs
all but the last are of processes that live for a moment within it, and the last ends it. For each runtime a line of
JSON: how many OOMs there were, in how many the container's name, its image and the victim's command line are known,
and the last explanation.

    containers.py filters

Which of some containers ``--container`` and ``--pod`` let through.

    containers.py rootless CONTAINERS OOMS

The same as the first, of containers that a user has started with podman.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dying

ROOT = Path("/root/busybox")
IMAGE = "localhost/etl:1.4"
PODMAN = ["podman", "--cgroup-manager", "cgroupfs"]
APPLETS = ("sh", "tail", "true")
LIMIT = "32m"


def quietly(*command: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command; what it says is shown if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode and not more.get("input"):
        print(command, done.returncode, done.stdout[-500:], file=sys.stderr)
    return done


def image() -> Path:
    """A tar with busybox in it, as any image's root: there is no network to get one from."""
    (ROOT / "bin").mkdir(parents=True, exist_ok=True)
    for folder in ("etc", "proc", "sys", "dev", "tmp"):
        (ROOT / folder).mkdir(exist_ok=True)
    busybox = next(path for path in ("/usr/bin/busybox", "/bin/busybox") if os.path.exists(path))
    quietly("cp", busybox, str(ROOT / "bin/busybox"))
    for name in APPLETS:
        if not (ROOT / "bin" / name).exists():
            (ROOT / "bin" / name).symlink_to("busybox")
    (ROOT / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\netl:x:1000:1000::/:/bin/sh\n")
    quietly("tar", "-C", str(ROOT), "-cf", "/root/image.tar", ".")
    return Path("/root/image.tar")


def daemons(runtime: str) -> None:
    """containerd, and dockerd for docker."""
    with open("/root/daemons.log", "ab") as log:
        if not os.path.exists("/run/containerd/containerd.sock"):
            subprocess.Popen(["containerd"], stdout=log, stderr=log)
        wait(lambda: os.path.exists("/run/containerd/containerd.sock"))
        if runtime == "docker":
            subprocess.Popen(["dockerd", "--bridge=none", "--iptables=false", "--containerd",
                              "/run/containerd/containerd.sock"], stdout=log, stderr=log)
            wait(lambda: subprocess.run(["docker", "info"], stdout=log, stderr=log).returncode == 0)


def wait(done: Any) -> None:
    """Until it is done, for a minute."""
    for _ in range(120):
        if done():
            return
        time.sleep(0.5)
    sys.exit(Path("/root/daemons.log").read_text()[-2000:])


def oci(tar: Path) -> None:
    """The image for containerd, which imports no bare tar: the least that OCI's image layout has."""
    from hashlib import sha256

    folder = Path("/root/oci")
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def blob(data: bytes, kind: str) -> dict[str, Any]:
        digest = sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    layer = blob(tar.read_bytes(), "layer.v1.tar")
    config = blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
        "type": "layers", "diff_ids": [layer["digest"]]}}).encode(), "config.v1+json")
    manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                                "config": config, "layers": [layer]}).encode(), "manifest.v1+json")
    manifest["annotations"] = {"io.containerd.image.name": IMAGE}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    quietly("tar", "-C", str(folder), "-cf", "/root/oci.tar", ".")
    quietly("ctr", "image", "import", "/root/oci.tar")


def prepare(runtime: str) -> None:
    """Daemons and the image."""
    tar = image()
    for module in ("overlay", "fuse"):
        subprocess.run(["modprobe", module])
    if runtime == "podman":
        quietly(*PODMAN, "import", "-q", str(tar), IMAGE)
        return
    daemons(runtime)
    if runtime == "docker":
        quietly("docker", "import", str(tar), IMAGE)
    else:
        oci(tar)


def run(runtime: str, name: str, command: list[str], *options: str) -> None:
    """A container that is removed when it ends. ``options``: of the runtime."""
    limits = ["--memory", LIMIT, "--memory-swap", LIMIT]
    start = {
        "podman": [*PODMAN, "run", "--rm", "--user", "1000", "--name", name, "--network", "none", *limits, IMAGE],
        "docker": ["docker", "run", "--rm", "--user", "1000", "--name", name, "--network", "none", *limits, IMAGE],
        "ctr": ["ctr", "run", "--rm", "--memory-limit", str(32 << 20), *options, IMAGE, name],
    }[runtime]
    done = subprocess.run(["adj0", *start, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 128 + signal.SIGKILL:
        print(start, done.returncode, done.stderr[-500:], file=sys.stderr)


@contextmanager
def traced(*options: str) -> Iterator[list[dict[str, Any]]]:
    """While it lasts, there is a trace; afterwards, its entries are in the list."""
    ready, entries = Path("/root/ready"), list[dict[str, Any]]()
    ready.unlink(missing_ok=True)
    os.mkfifo(ready)
    with open("/root/events", "wb") as out, open("/root/err", "wb") as err:
        trace = subprocess.Popen(["oomtrace", "trace", "--format", "jsonl", "--ready-file", str(ready), *options],
                                 stdout=out, stderr=err)
        if not ready.read_text().strip():
            sys.exit(Path("/root/err").read_text())
        dying.settle()
        yield entries
        time.sleep(3)
        trace.terminate()
        trace.wait()
    print(Path("/root/err").read_text()[-2000:], file=sys.stderr)
    entries += [json.loads(line) for line in Path("/root/events").read_text().splitlines()]


def within(ooms: int) -> list[str]:
    """What runs in a container: so many OOMs, of which the last ends it."""
    return ["sh", "-c", f"i=1; while [ $i -lt {ooms} ]; do tail /dev/zero; i=$((i+1)); done; exec tail /dev/zero"]


def many(runtime: str, containers: int, ooms: int) -> dict[str, Any]:
    """Of so many containers."""
    prepare(runtime)
    with traced() as entries:
        began = time.monotonic()
        for number in range(containers):
            run(runtime, f"orders-etl-{number}", within(ooms))
        print(f"{containers} containers of {runtime} in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return {"runtime": runtime, **summary(entries)}


SHOP = 1000  # a user
SLICE = f"/user.slice/user-{SHOP}.slice/user@{SHOP}.service"
ROOTLESS = ["setpriv", f"--reuid={SHOP}", f"--regid={SHOP}", "--clear-groups", "env", "HOME=/home/shop",
            f"XDG_RUNTIME_DIR=/run/user/{SHOP}", *PODMAN]


def own(*paths: str) -> None:
    """They become the user's."""
    for path in paths:
        os.chown(path, SHOP, SHOP)


def delegate() -> str:
    """A user with a home, and with the cgroup that systemd would give to such a one; where it is to begin."""
    with open("/etc/passwd", "a") as users, open("/etc/group", "a") as groups:
        users.write(f"shop:x:{SHOP}:{SHOP}::/home/shop:/bin/sh\n")
        groups.write(f"shop:x:{SHOP}:\n")
    for folder in ("/home/shop", f"/run/user/{SHOP}"):
        os.makedirs(folder)
        own(folder)
    service = "/sys/fs/cgroup" + SLICE
    os.makedirs(f"{service}/session")
    folder = "/sys/fs/cgroup"
    for name in ("", *SLICE.strip("/").split("/")):
        folder = os.path.join(folder, name)
        Path(folder, "cgroup.subtree_control").write_text("+memory +pids")
    own(service, *(f"{service}/{name}" for name in ("cgroup.procs", "cgroup.subtree_control", "session",
                                                    "session/cgroup.procs")))
    switch = Path("/proc/sys/kernel/unprivileged_userns_clone")
    if switch.exists():
        switch.write_text("1")
    return f"{service}/session/cgroup.procs"


def rootless(containers: int, ooms: int) -> dict[str, Any]:
    """Containers of a user's."""
    begin, tar = delegate(), image()
    for module in ("overlay", "fuse"):
        subprocess.run(["modprobe", module])
    quietly("cp", str(tar), "/home/shop/image.tar")
    quietly("chmod", "644", "/home/shop/image.tar")

    def enter() -> None:
        Path(begin).write_text(str(os.getpid()))
        os.chdir("/home/shop")

    quietly(*ROOTLESS, "import", "-q", "/home/shop/image.tar", IMAGE, preexec_fn=enter)
    with traced() as entries:
        for number in range(containers):
            name = f"orders-etl-{number}"
            done = subprocess.run(
                ["adj0", *ROOTLESS, "run", "--rm", "--name", name, "--network", "none", "--cgroup-parent", SLICE,
                 "--memory", LIMIT, "--memory-swap", LIMIT, IMAGE, *within(ooms)],
                preexec_fn=enter, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode != 128 + signal.SIGKILL:
                print(name, done.returncode, done.stderr[-1000:], file=sys.stderr)
    return {"runtime": "rootless podman", **summary(entries)}


def filters() -> dict[str, Any]:
    """Two containers of podman and two of containerd that are as Kubernetes makes them; who is let through."""
    prepare("podman")
    prepare("ctr")
    with traced("--container", "orders-*") as by_container:
        run("podman", "billing", within(1))
        run("podman", "orders-etl", within(1))
    with traced("--pod", "shop/orders-*") as by_pod:
        for space, pod in (("shop", "billing-1"), ("other", "orders-1"), ("shop", "orders-etl-7c9")):
            known = {"container-name": "etl", "container-type": "container", "image-name": IMAGE, "sandbox-name": pod,
                     "sandbox-namespace": space}
            run("ctr", f"{space}-{pod}", within(1),
                *(f"--annotation=io.kubernetes.cri.{name}={value}" for name, value in known.items()))
    found = {}
    for name, entries in (("container", by_container), ("pod", by_pod)):
        boxes = [one for entry in entries for look in entry["event"]["witness"]["looks"] for one in look["containers"]]
        found[name] = [len(entries), sorted({(one["name"], one["pod"]) for one in boxes})]
    return found


def log_in() -> None:
    """Be in a cgroup, as whoever starts containers is: podman 3 asks its own whether swap can be limited, and of the
    root, which cannot tell, it starts nothing."""
    session = Path("/sys/fs/cgroup/session")
    session.mkdir(exist_ok=True)
    (session / "cgroup.procs").write_text(str(os.getpid()))


def main() -> None:
    log_in()
    if sys.argv[1] == "filters":
        print(json.dumps(filters()))
        return
    runtimes, containers, ooms = sys.argv[1:]
    if runtimes == "rootless":
        print(json.dumps(rootless(int(containers), int(ooms))))
        return
    for runtime in runtimes.split(","):
        print(json.dumps(many(runtime, int(containers), int(ooms))), flush=True)


def summary(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the trace's events."""
    found: dict[str, Any] = {"ooms": 0, "named": 0, "image": 0, "command": 0, "user": 0, "unnamed": []}
    for entry in entries:
        event = entry["event"]
        if not event["report"]["kills"]:
            continue
        found["ooms"] += 1
        victim = event["report"]["kills"][0]["pid"]
        looks = (event["witness"] or {}).get("looks", [])
        box = [one for look in looks for one in look["containers"] if (one["name"] or "").startswith("orders-etl-")]
        told = [*(event["witness"] or {}).get("tasks", []), *(one for look in looks for one in look["tasks"])]
        task = [one for one in told if one["pid"] == victim]
        found["named"] += bool(box)
        found["image"] += any(one["image"] == IMAGE for one in box)
        found["command"] += any(one["cmdline"] and one["cmdline"][0].endswith("tail") for one in task)
        found["user"] += any(one["user"] == "etl" for one in task)
        if not box:
            seen = [(look["occasion"], look["cut"]) for look in looks]
            found["unnamed"].append([event["report"]["victim_memcg"], seen])
    found["unnamed"] = found["unnamed"][:3]
    findings = entries[-1]["explanation"]["findings"] if entries else []
    said = [finding for finding in findings if finding["id"] == "killed"]
    found["headline"] = entries[-1]["explanation"]["headline"] if entries else ""
    found["killed"] = said[0]["sentence"] if said else ""
    return found


if __name__ == "__main__":
    main()

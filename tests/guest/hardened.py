"""Run in a guest of the systemd variant: what a look sees under the hardening of the service's unit, and what the check
says of it: of the unit as it is, and with systemd/drop-ins/witness.conf.

Looked at is a unit of another user, which has a file on /dev/shm, a memfd, sockets with much in their buffers, and a
file that is cached by half. Prints a line of JSON for each.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
OPT = Path("/opt/oomtrace")  # the service sees no home folders
UNITS = Path("/run/systemd/system")
STATE = Path("/var/lib/oomtrace")
DATA, READY = Path("/var/tmp/victim-data"), Path("/tmp/victim-ready")
MIB = 1 << 20


def victim():
    """What is looked at."""
    import mmap
    import socket

    with open("/dev/shm/ring", "wb") as file:
        file.write(bytes(10 * MIB))
    os.write(os.memfd_create("frames"), bytes(3 * MIB))
    data = os.open(DATA, os.O_RDONLY)
    os.posix_fadvise(data, 0, 0, os.POSIX_FADV_RANDOM)
    os.read(data, 4 * MIB)
    kept = [mmap.mmap(data, 0, prot=mmap.PROT_READ)]
    for _ in range(20):
        one, other = socket.socketpair()
        one.setblocking(False)
        kept += [one, other]
        try:
            while True:
                one.send(bytes(1 << 16))
        except BlockingIOError:
            pass
    READY.write_text("x")
    time.sleep(1000)


def look():
    """With time enough for an emulated machine."""
    from oomtrace.witness import Budget, Reader

    found = Reader().look("/system.slice/victim.service", (), Budget(10**13, 1 << 30))
    task = found.tasks[0]
    shared = found.shared.files if found.shared else ()
    cached = found.cache.files if found.cache else ()
    kernel = found.kernel.items if found.kernel else ()
    seen = {
        "command line": task.cmdline is not None, "user": task.user == "daemon", "unit": task.unit == "victim.service",
        "executable": task.exe is not None, "mappings": any(each.mappings for each in found.anonymous),
        "tmpfs": any(file.name == "/dev/shm/ring" and file.kb == 10240 for file in shared),
        "memfd": any(file.name == "memfd:frames" and file.holders for file in shared),
        "sockets": any(item.use.value == "socket" for item in kernel),
        "page cache": [file.cached_kb for file in cached if file.path == str(DATA)] == [4096],
    }
    claimed = [file.name for file in shared if file.holders_known and not file.holders]  # to be open in nobody
    (STATE / "look").write_text(json.dumps({
        "seen": [name for name, there in seen.items() if there], "claimed": claimed,
        "denied": sorted({cut.aspect.value for cut in found.cut if cut.why.value == "denied"})}))


def unit(name, command, drop_in):
    """A unit that is hardened as the service is, and ends."""
    text = (CHECKOUT / "systemd/oomtrace.service").read_text()
    text = re.sub(r"(?m)^ExecStart=.*$", f"ExecStart=/bin/sh -c '{command}'", text)
    text = re.sub(r"(?m)^Restart=.*$", "", re.sub(r"(?m)^Type=.*$", "Type=oneshot", text))
    (UNITS / f"{name}.service").write_text(text)
    folder = UNITS / f"{name}.service.d"
    folder.mkdir(exist_ok=True)
    (folder / "witness.conf").write_text(drop_in)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "start", name], check=True)


def main():
    OPT.mkdir(parents=True)
    for name in ("oomtrace", "bpf"):
        shutil.copytree(CHECKOUT / name, OPT / name)
    shutil.copy(__file__, OPT / "hardened.py")
    DATA.write_bytes(os.urandom(8 * MIB))
    shutil.chown(DATA, "daemon")
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")
    (UNITS / "victim.service").write_text(
        f"[Service]\nUser=daemon\nExecStart=/usr/bin/python3 {OPT}/hardened.py victim --order 4711\nMemoryMax=48M\n")
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "start", "victim"], check=True)
    while not READY.exists():
        time.sleep(0.5)
    path = f"PYTHONPATH={OPT} python3"
    for name, drop_in in (("unit", ""), ("witness.conf", (CHECKOUT / "systemd/drop-ins/witness.conf").read_text())):
        unit("looks", f"{path} {OPT}/hardened.py look", drop_in)
        unit("checks", f"{path} -m oomtrace check --format json >{STATE}/check; true", drop_in)
        checked = json.loads((STATE / "check").read_text())["facts"]["witness"]
        print(json.dumps({"name": name, **json.loads((STATE / "look").read_text()), "check": checked["lacking"]}))


if __name__ == "__main__":
    {"victim": victim, "look": look}.get(sys.argv[1] if sys.argv[1:] else "", main)()

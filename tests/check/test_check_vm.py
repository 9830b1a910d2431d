"""On every kernel: the check finds that all works, and each capability is needed for what we say it is."""

from __future__ import annotations

import json

import pytest

from vm import boot, matrix
from vm.spec import RunSpec

IN_TURN = [kernel if kernel == "6.1" else pytest.param(kernel, marks=pytest.mark.long) for kernel in matrix.names()]

# Each line that starts with @ names a case; what follows is what it printed.
SCRIPT = """
. tests/guest/promises.sh
chmod 755 /root
oomtrace check --format json >/tmp/root.json; status=$?; echo "@ root"; echo "status $status"; cat /tmp/root.json
until_true no_probe
echo "kprobes left: $(grep -c oom /sys/kernel/debug/kprobes/list)"
# Compiled once is enough; but programs are taken from a folder of one's own only.
cp -r /var/cache/oomtrace /tmp/cache && chown -R 1000:1000 /tmp/cache
as() {
    echo "@ $1"; shift
    capabilities=$1; shift
    timeout -s KILL 100 python3 tests/guest/capabilities.py 1000 "$capabilities" --cache /tmp/cache "$@" 2>&1
    echo "status $?"
}
trace="-- oomtrace --timeout 0.1"
sysctl -q kernel.perf_event_paranoid=2
as all bpf,perfmon,syslog,sys_resource $trace
as admin sys_admin,syslog,sys_resource $trace
as checked bpf,perfmon,syslog,sys_resource,dac_read_search -- oomtrace check --format json
as CAP_BPF perfmon,syslog,sys_resource $trace
as CAP_PERFMON bpf,syslog,sys_resource $trace
as CAP_SYSLOG bpf,perfmon,sys_resource $trace
as CAP_SYS_RESOURCE bpf,perfmon,syslog $trace
as unlimited bpf,perfmon,syslog --memlock -1 $trace
as nothing "" -- oomtrace check --format json
sysctl -q kernel.perf_event_paranoid=3
as CAP_SYS_ADMIN bpf,perfmon,syslog,sys_resource $trace
as paranoid sys_admin,syslog,sys_resource $trace
"""


def _cases(said: str) -> dict[str, tuple[str, int]]:
    found = {}
    for part in said.split("\n@ ")[0 if said.startswith("@ ") else 1 :]:
        name, _, rest = part.partition("\n")
        lines = rest.splitlines()
        status = next(int(line.split()[1]) for line in lines if line.startswith("status "))
        found[name] = ("\n".join(line for line in lines if not line.startswith(("status ", "kprobes "))), status)
    return found


@pytest.mark.vm
@pytest.mark.parametrize("kernel", IN_TURN)
def test_capabilities(kernel: str) -> None:
    spec = RunSpec(kernel=kernel, timeout=1500, cpus=1)
    result = boot.check(boot.run(spec, "echo\n" + SCRIPT))
    said = result.stdout.decode()
    print(said, result.stderr.decode())
    cases = _cases(said)
    root = json.loads(cases["root"][0])
    assert (root["state"], cases["root"][1]) == ("ok", 0), root
    assert all(probe["state"] in ("ok", "info") for probe in root["probes"])
    assert "kprobes left: 0" in said
    for name in ("all", "admin", "unlimited", "paranoid"):
        assert cases[name][1] == 124, (name, cases[name])
    assert json.loads(cases["checked"][0])["state"] == "ok", cases["checked"]
    for name in ("CAP_BPF", "CAP_PERFMON", "CAP_SYSLOG", "CAP_SYS_RESOURCE", "CAP_SYS_ADMIN"):
        text, status = cases[name]
        assert status == 10 and name in text.splitlines()[0], cases[name]
    text, status = cases["nothing"]
    assert status == 2 and json.loads(text)["state"] == "impossible"

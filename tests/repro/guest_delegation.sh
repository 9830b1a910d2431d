#!/bin/sh
# Run in a guest of the systemd variant: oomtrace run has its cgroup under a scope that systemd made for it.
. tests/guest/promises.sh
units() { systemctl list-units --all --no-legend --plain 'oomtrace*' | cut -d' ' -f1; }
no_units() { [ -z "$(units)" ]; }
echo 'bytearray(1 << 29)' >/tmp/hog.py

is scope "$(oomtrace run -q --cgroup here -- cat /proc/self/cgroup | sed 's/[0-9][0-9]*/N/2')" \
	"0::/system.slice/oomtrace-run-N.scope/here"
until_true no_units
is scope-is-gone "$(units)" ""
check killed 137 oomtrace run --format kernel --memory-max 32M --swap-max 0 -- adj0 python3 /tmp/hog.py
is under-it "$(grep -c 'oom_memcg=/system.slice/oomtrace-run-[0-9]*.scope/' /tmp/err)" 1

# systemd takes controllers away from cgroups that it has made for itself, when its own units change.
oomtrace run -q --cgroup stays --memory-max 64M -- sh -c 'touch /tmp/runs; while [ -e /tmp/runs ]; do sleep 0.1; done
	cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/memory.max' >/tmp/stays &
until_true test -e /tmp/runs
is stays-runs $? 0
printf '[Service]\nType=oneshot\nExecStart=true\nMemoryMax=64M\n' >/run/systemd/system/another.service
check another-unit-starts 0 systemctl daemon-reload
check another-unit-starts 0 systemctl start another
rm /tmp/runs; wait $!
is limit-stays "$(cat /tmp/stays)" 67108864

oomtrace run -q --cgroup crashed -- sleep 1000 &
crashed="/sys/fs/cgroup/system.slice/oomtrace-run-$!.scope/crashed"
until_true grep -q . "$crashed/cgroup.procs"
is runs $? 0
kill -KILL $!
until_true no_units
is crash-leaves-no-scope "$(units)" ""
until_true no_probe
is no-probe-left $? 0
echo "ok end"

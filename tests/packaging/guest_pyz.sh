#!/bin/sh
# Run in a guest of the base variant: oomtrace.pyz and a scenario are in /root/put, and nothing else of oomtrace is here.
cd /
rm -rf /root/oomtrace /usr/local/bin/oomtrace /usr/lib/python3/dist-packages/click /usr/lib/python3/dist-packages/yaml
python3 -c "import click" 2>&1 | sed 's/^/without it: /'
oomtrace() { python3 /root/put/oomtrace.pyz "$@"; }

oomtrace check >/tmp/check
echo "check: $?"
oomtrace run --memory-max 32M --swap-max 0 --expect victim=tail --output /tmp/kept/ -- adj0 tail /dev/zero
echo "run: $?"
for start in first second; do
	mkfifo /tmp/ready-$start
	begin=$(date +%s%N)
	python3 /root/put/oomtrace.pyz --verbose --count 1 --timeout 300 --verify --ready-file /tmp/ready-$start >/tmp/$start 2>/tmp/$start.err &
	read -r pid </tmp/ready-$start
	echo "$start start: $((($(date +%s%N) - begin) / 1000000)) ms, $(grep VmHWM /proc/$pid/status | tr -s '\t ' ' ')"
	mkdir -p /sys/fs/cgroup/victim
	echo 32M >/sys/fs/cgroup/victim/memory.max
	sh -c 'echo $$ >/sys/fs/cgroup/victim/cgroup.procs; exec adj0 tail /dev/zero'
	wait "$pid"
	echo "$start trace: $?"
	sed "s/^/$start: /" /tmp/$start.err
done
oomtrace repro /root/put/anon.yaml >/dev/null
echo "repro: $?"
oomtrace read --format why /tmp/kept/*.oom | head -n 3
oomtrace read --format yaml /tmp/kept/*.oom | grep -c "name: tail"

# A container that traces this machine. Its base is made of Debian's packages that are here: Python and what it needs.
. /root/put/guest_service.sh
forget_the_checkout
cd /root/put
packages="base-files bash coreutils dash libc6 libc-bin libselinux1 libpcre2-8-0 libtinfo6 libgmp10 libacl1 libattr1 zlib1g
	libexpat1 libffi8 libuuid1 liblzma5 libbz2-1.0 python3-minimal python3.11-minimal libpython3.11-minimal
	libpython3-stdlib libpython3.11-stdlib"
for folder in bin lib lib64 sbin; do
	mkdir -p /root/base/usr/$folder
	ln -s usr/$folder /root/base/$folder
done
(
	dpkg -L $packages 2>/dev/null | while read -r path; do
		[ -d "$path" ] && [ ! -L "$path" ] || echo "$path"
	done
	echo /bin/sh
) | sed 's,^/,,' | sort -u | tar -C / -cf - --no-recursion --ignore-failed-read --files-from=- 2>/dev/null | tar -xf - -C /root/base
mkdir -p /root/base/tmp /root/base/proc /root/base/sys /root/base/dev /root/base/etc
du -sh /root/base | sed 's/^/base: /'
tar -C /root/base -c . | podman --cgroup-manager cgroupfs import -q - localhost/base:1 >/dev/null || exit 1
mkdir -p /root/build/dist /root/build/deploy
cp oomtrace.pyz /root/build/dist/
cp -r hooks /root/build/deploy/
podman --cgroup-manager cgroupfs build -q --isolation chroot --build-arg BASE=localhost/base:1 -t localhost/oomtrace \
	-f /root/put/Containerfile /root/build >/dev/null || exit 1
echo "image: built"
cp oomtrace-container.service /etc/systemd/system/
sed -i 's/^ExecStart=podman run/ExecStart=podman --cgroup-manager cgroupfs run/' /etc/systemd/system/oomtrace-container.service
systemctl daemon-reload
systemctl start oomtrace-container
tries=0
until journalctl --no-pager -o cat -u oomtrace-container | grep -q "^oomtrace: ready" || [ $tries -ge 200 ]; do
	sleep 0.5
	tries=$((tries + 1))
done
systemctl start victim 2>/dev/null
tries=0
until [ "$(captures)" -ge 1 ] || [ $tries -ge 120 ]; do
	sleep 0.5
	tries=$((tries + 1))
done
echo "captures: $(captures), service: $(systemctl is-active oomtrace-container)"
[ "$(captures)" -ge 1 ] || journalctl --no-pager -u oomtrace-container
python3 oomtrace.pyz read --format why /var/lib/oomtrace/*.oom | head -n 2
podman --cgroup-manager cgroupfs run --rm --privileged --pid host --cgroupns host --network none \
	-v /sys/kernel/debug:/sys/kernel/debug localhost/oomtrace check >/tmp/check
echo "check in a container: $?"
podman --cgroup-manager cgroupfs run --rm --network none localhost/oomtrace check >/tmp/check 2>&1
echo "without what it must be given: $?"
systemctl stop oomtrace-container
echo "stopped: $(podman ps -q | wc -l) left"
# As deploy/kubernetes has it: not privileged, with these capabilities alone, and its arguments.
add=$(sed -n '/add:/,/volumeMounts:/s/^ *- \([A-Z_]*\)\( .*\|$\)/--cap-add CAP_\1/p' daemonset.yaml)
arguments=$(sed -n '/args:/,/env:/s/^ *- //p' daemonset.yaml | sed '/name:/d')
before=$(captures)
mkdir -p /var/log/pods
podman --cgroup-manager cgroupfs run -d --name least --network none --pid host --cap-drop all $add \
	--security-opt no-new-privileges --read-only --tmpfs /tmp --memory 256m -e OOMTRACE_HOST=node7 \
	-v /sys/fs/cgroup:/sys/fs/cgroup:ro -v /etc/machine-id:/etc/machine-id:ro -v /var/log/pods:/var/log/pods:ro \
	-v /var/cache/oomtrace:/var/cache/oomtrace -v /var/lib/oomtrace:/var/lib/oomtrace \
	localhost/oomtrace $arguments >/dev/null
tries=0
until podman exec least test -e /tmp/ready 2>/dev/null || [ $tries -ge 200 ]; do # as its readiness probe
	sleep 0.5
	tries=$((tries + 1))
done
echo "least: $(podman inspect -f '{{.State.Status}}' least) $add"
grep -E 'CapEff|NoNewPrivs|Seccomp:' "/proc/$(podman inspect -f '{{.State.Pid}}' least)/status" | tr -d '\t' | sed 's/^/least: /'
systemctl start victim 2>/dev/null
tries=0
until [ "$(captures)" -gt "$before" ] || [ $tries -ge 120 ]; do
	sleep 0.5
	tries=$((tries + 1))
done
podman stop -t 20 least >/dev/null
echo "least: captures $(($(captures) - before))"
podman logs least 2>&1 | sed 's/^/least: said: /'
newest=$(find /var/lib/oomtrace -name '*.oom' -newer /tmp/check | head -n 1)
python3 oomtrace.pyz read --format jsonl "$newest" | python3 -c 'import json, sys
event = json.loads(sys.stdin.readline())["event"]
origin, lost = event["origin"], event["trace"]["records_lost"]
print("least: event:", event["kind"], origin["host"], origin["machine_id"] == open("/etc/machine-id").read().strip(), lost)
print("least: missing:", *origin["missing"])
print("least: looked:", json.dumps((event["witness"] or {}).get("tasks"))[:600])'
python3 oomtrace.pyz read --format why "$newest" | head -n 3

#!/bin/sh
# Run in a guest with podman: a program that is in a container's image and nowhere else, into its limit there.
mkdir -p /tmp/out /tmp/image
mv /root/put/code/fill_c /tmp/image/fill
tar -C /tmp/image -c . | podman --cgroup-manager cgroupfs import - localhost/fill:1 >/dev/null 2>&1 || exit 90
rm -r /tmp/image
mkfifo /tmp/ready
adj0 oomtrace --stacks near --once --quiet --ready-file /tmp/ready -o /tmp/out/fill_c.oom &
cat /tmp/ready
adj0 podman --cgroup-manager cgroupfs run --rm --network none --memory 192m --memory-swap 192m localhost/fill:1 /fill 4096 180
wait $!

#!/bin/sh
# Run in a guest: trace one OOM. $1: folder for the results; the rest: the command that makes the OOM.
out=$1; shift
mkdir -p "$out"
dmesg -C
cd /root/oomtrace || exit 1
oomtrace --verbose --format kernel >"$out/ours" 2>"$out/err" &
pid=$!
n=0
until grep -q 'ready (' "$out/err"; do
	kill -0 $pid 2>/dev/null || { cat "$out/err"; exit 1; }
	sleep 0.1
done
cat /proc/uptime
"$@"
sleep 1
kill -TERM $pid; wait $pid
cat /dev/kmsg >"$out/kmsg" & sleep 0.5; kill $!
cat "$out/err"

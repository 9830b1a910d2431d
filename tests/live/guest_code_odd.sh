#!/bin/sh
# Run in a guest: programs that are odd in some way, each into the limit of a memcg named after what is odd, under one
# trace; then an OOM that a kernel thread asks for. Captures go to /tmp/out.
programs=/root/put/code
mkdir -p /tmp/out
# A huge page is one charge: 64 MiB of them are 32 samples at most.
echo never >/sys/kernel/mm/transparent_hugepage/enabled
mkfifo /tmp/ready
adj0 oomtrace --stacks on --verify --quiet --ready-file /tmp/ready -o /tmp/out/ &
read -r trace </tmp/ready || exit 90
sleep 8 # it is attached; until it can look at processes it takes a while where all is emulated

# into NAME COMMAND…
limit=64M
into() {
	sleep 3 # where all is emulated, a look takes long, and a trace takes no more than a part of the time for looks
	group=/sys/fs/cgroup/$1
	mkdir "$group"
	echo $limit >"$group/memory.max"
	shift
	sh -c 'echo 0 >/proc/self/oom_score_adj; echo $$ >'"$group"'/cgroup.procs; exec "$@"' sh "$@"
}

[ ! -e $programs/fill_32 ] || into bits32 $programs/fill_32
into static $programs/fill_static
into static-pie $programs/fill_static_pie
cp $programs/fill_c /tmp/gone
into deleted sh -c 'exec 9</tmp/gone; rm /tmp/gone; exec /proc/self/fd/9'
into namespaces unshare -m -p -f sh -c "
	mount -t tmpfs tmpfs /mnt; cp $programs/fill_static /mnt/fill_elsewhere; exec /mnt/fill_elsewhere"
into jit unshare -m -p -f sh -c "mount -t tmpfs tmpfs /tmp; exec $programs/fill_jit"
into exited sh -c "$programs/fill_c 24 >/dev/null; exec $programs/fill_c"
limit=384M # a sample of Python stands for more pages: as many samples as of the others
into python unshare -p -f python3 $programs/fill.py

adj0 python3 -c 'import time; kept = b"x" * (50 << 20); time.sleep(600)' &
largest=$!
until grep -q 'VmRSS:.*[0-9]\{5\} kB' /proc/$largest/status; do sleep 0.2; done
sleep 12 # frames, likewise
echo f >/proc/sysrq-trigger
wait $largest
kill -INT "$trace"
wait "$trace"

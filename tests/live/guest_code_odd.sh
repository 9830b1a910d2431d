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
limit=64M last=
into() {
	# It is found out what the last one was; and a trace takes but a part of the time for looks, which take long here.
	for _ in $(seq 200); do
		[ -z "$last" ] || ls /tmp/out/*-"$last"-*.oom >/dev/null 2>&1 && break
		sleep 1
	done
	sleep 3
	last=$(echo "$1" | tr - _)
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
cp $programs/fill_c /tmp/fill_replaced
into replaced sh -c '
	exec 9</tmp/fill_replaced; rm /tmp/fill_replaced; cp /bin/sleep /tmp/fill_replaced; exec /proc/self/fd/9'
into crowd $programs/fill_crowd
into namespaces unshare -m -p -f sh -c "
	mount -t tmpfs tmpfs /mnt; cp $programs/fill_static /mnt/fill_elsewhere; exec /mnt/fill_elsewhere"
into jit unshare -m -p -f sh -c "mount -t tmpfs tmpfs /tmp; exec $programs/fill_jit"
into exited sh -c "$programs/fill_c 24 >/dev/null; exec $programs/fill_c"
head -c 20M /dev/urandom >/var/tmp/file
sync
echo 3 >/proc/sys/vm/drop_caches
limit=96M
into kinds $programs/fill_kinds /var/tmp/file
limit=384M # a sample of Python stands for more pages: as many samples as of the others
into python unshare -p -f python3 $programs/fill.py 5

adj0 python3 -c 'import time; kept = b"x" * (50 << 20); time.sleep(600)' &
largest=$!
until grep -q 'VmRSS:.*[0-9]\{5\} kB' /proc/$largest/status; do sleep 0.2; done
sleep 12 # frames, likewise
echo f >/proc/sysrq-trigger
wait $largest
kill -INT "$trace"
wait "$trace"

# With what was on the stacks, as was asked for.
adj0 oomtrace run --stack-memory -o /tmp/out/kept.oom --memory-max 64M -- $programs/fill_crowd
stat -c %a /tmp/out/*.oom >/tmp/out/modes

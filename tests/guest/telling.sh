# Run in a guest: those who are told of an OOM, and none of whom can be; then oomtrace run --fit.
# /root/put/otlp: the OpenTelemetry SDK.
cp -r /root/put/otlp/* . # where the guest's oomtrace looks for what it imports
ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null || busybox ifconfig lo 127.0.0.1 up
mkdir -p /tmp/metrics
mount -t tmpfs none /tmp/metrics
cat >/tmp/hook <<'END'
#!/bin/sh
# By the number of the event: hang, flood, fork, fail, work.
number=$(cat /tmp/number 2>/dev/null || echo 0)
echo $((number + 1)) >/tmp/number
case $number in
0) exec sleep 1000 ;;
1) while :; do echo flood flood flood flood; echo flood flood flood >&2; done ;;
2)
	for _ in $(seq 100); do
		sleep 2000 &
	done
	exit 0
	;;
3) echo "the reason" >&2 && exit 3 ;;
4) exec tail /dev/zero ;;
*) echo "hook: worked with $OOMTRACE_VICTIM" >&2 && echo worked >>/tmp/worked ;;
esac
END
chmod +x /tmp/hook
oom() { # NAME
	mkdir -p "/sys/fs/cgroup/$1"
	echo 12M >"/sys/fs/cgroup/$1/memory.max"
	adj0 sh -c "echo \$\$ >/sys/fs/cgroup/$1/cgroup.procs; exec tail /dev/zero"
}
echo +memory >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null
traced() { # LABEL OPTION…: in the background
	label=$1
	shift
	rm -f /tmp/ready
	adj0 oomtrace trace --format jsonl --ready-file /tmp/ready "$@" >/tmp/out 2>/tmp/err &
	tracing=$!
	tries=0
	until [ -e /tmp/ready ] || [ $tries -ge 240 ]; do
		sleep 0.5
		tries=$((tries + 1))
	done
	[ -e /tmp/ready ] || echo "$label: never ready: $(cat /tmp/err)"
}
ended() {
	kill -INT $tracing
	wait $tracing
	echo "$label: status $?"
	echo "$label: events $(grep -c '"oomtrace/2"' /tmp/out)"
	sed "s/^/$label: /" /tmp/err
}
events() { # N: until so many have been told
	tries=0
	until [ "$(wc -l </tmp/out)" -ge "$1" ] || [ $tries -ge 240 ]; do
		sleep 0.5
		tries=$((tries + 1))
	done
	sleep 1
}
until_line() { # FILE TEXT SECONDS
	tries=0
	until grep -q "$2" "$1" 2>/dev/null || [ $tries -ge "$3" ]; do
		sleep 1
		tries=$((tries + 1))
	done
}

traced textfile --textfile /tmp/metrics
mount -o remount,ro /tmp/metrics
oom one
events 1
oom two
events 2
mount -o remount,rw /tmp/metrics
oom three
events 3
ended
grep "^oomtrace_ooms_total" /tmp/metrics/oomtrace.prom | sed 's/^/textfile: /'

traced hook --exec /tmp/hook
for name in one two three one two three; do
	oom $name
done
tries=0
until [ -e /tmp/worked ] || [ $tries -ge 150 ]; do
	sleep 1
	tries=$((tries + 1))
done
echo "hook: $(pgrep -c -f 'sleep [12]000') of its processes are left"
ended

PYTHONPATH=$PWD python3 tests/guest/collector.py >/tmp/collector 2>&1 &
collector=$!
until_line /tmp/collector listening 120
traced otlp --otlp http://127.0.0.1:4318
oom one
until_line /tmp/collector "oomtrace.oom" 120
ended
cat /tmp/collector

traced refused --otlp http://127.0.0.1:4318/refuse
oom one
oom two
events 2
sleep 2
ended

kill $collector
# More events than may wait. A kill is an event, too, and faster than an OOM.
traced down --otlp http://127.0.0.1:4319 --kills all --comm sleep
kills() { # HOW-MANY ALL-OF-THEM
	for _ in $(seq "$1"); do
		sleep 1000 &
		until [ "$(cat /proc/$!/comm)" = sleep ]; do sleep 0.02; done # and no shell any more
		sh -c 'kill -KILL "$1"; true' sh $!
		sleep 0.05
	done
	events "$2"
}
resident_kb() { awk '/VmRSS/ { print $2 }' /proc/$tracing/status; }
kills 40 40
before=$(resident_kb)
kills 60 100
echo "down: grew by $(($(resident_kb) - before)) KiB"
ended

fit() { # LABEL OPTION…
	label=$1
	shift
	oomtrace run "$@" >/tmp/out 2>/tmp/err
	echo "$label: status $?"
	sed "s/^/$label: /" /tmp/out /tmp/err
}
fit fit --fit 8M..128M -- python3 -c 'kept = bytearray(40 << 20)'
fit fit-json --fit 8M..128M --format jsonl -- python3 -c 'kept = bytearray(40 << 20)'
fit too-little --fit 8M..16M -- python3 -c 'kept = bytearray(40 << 20)'
fit fails --fit 8M..64M -- false
fit wrong --fit 64M..8M -- true
fit no-size --fit much -- true
fit no-command --fit 8M..64M -- nothing-of-that-name

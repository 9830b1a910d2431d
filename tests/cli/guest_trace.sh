#!/bin/sh
# Run in a guest: oomtrace trace as scripts use it.
. tests/guest/promises.sh

oom() { python3 tests/guest/memcg_oom.py --path "/$1" >/dev/null; } # the victim is called hog
trace() { # until it is ready
	rm -f /tmp/ready; mkfifo /tmp/ready
	oomtrace --ready-file /tmp/ready "$@" >/tmp/out 2>/tmp/err &
	pid=$!
	read -r ready </tmp/ready
}
ended() { # NAME STATUS
	wait $pid; got=$?
	if [ $got = "$2" ]; then echo "ok $1"; else echo "not ok $1: $got instead of $2: $(tail -3 /tmp/err)"; fi
}

trace --once --timeout 300 --quiet -o /tmp/x.oom
is ready-file "$ready" $pid
oom foo
ended once 0
is quiet "$(wc -c </tmp/out)" 0
is ready-is-said "$(grep -c '^oomtrace: ready' /tmp/err)" 1
is mode "$(stat -c %a /tmp/x.oom)" 600
is capture "$(oomtrace read --format kernel /tmp/x.oom 2>&1 | grep -c 'Killed process')" 1

trace --count 2 --timeout 300 -o /tmp/dir/ --format jsonl
oom foo; oom foo
ended count 0
is a-line-an-event "$(grep -c '^{"schema":"oomtrace/2",.*}$' /tmp/out)" 2
is a-file-an-event "$(find /tmp/dir -type f -name '*.oom' -perm 600 | wc -l) $(find /tmp/dir -type f | wc -l)" "2 2"

check timeout 124 oomtrace --quiet --timeout 1
trace --cgroup '/foo*' --count 1 --timeout 300 --format kernel
oom bar; oom foo
ended cgroup 0
is cgroup-only "$(grep -o 'oom_memcg=[^,]*' /tmp/out)" oom_memcg=/foo
trace --comm 'ho?' --memcg-only --once --timeout 300
oom foo
ended comm-and-memcg-only 0
for other in "--comm nobody" "--global-only" "--pid 1"; do
	trace --quiet --timeout 300 $other
	oom foo
	kill -TERM $pid # what has come is still told
	ended "nothing for $other" 124
done

trace --quiet --pid-file /tmp/pid
is pid-file "$(cat /tmp/pid)" $pid
kill -INT $pid
ended interrupted 0
is pid-file-is-removed "$(ls /tmp/pid /tmp/ready 2>/dev/null)" ""
trace --quiet --timeout 300 --once -o /dev/null
oom foo
ended dev-null 0
is dev-null-stays "$(stat -c %F /dev/null)" "character special file"
check wrong-usage 2 oomtrace --count 0
check no-folder 2 oomtrace --keep 3 --timeout 1

for seconds in 0.2 0.5 0.8; do # while an OOM may be in hand
	trace --quiet -o /tmp/amid.oom
	oom foo &
	sleep $seconds
	kill -TERM $pid
	ended "terminated amid, after $seconds s" 0
	is whole "$([ ! -e /tmp/amid.oom ] || oomtrace read /tmp/amid.oom 2>&1 >/dev/null)" ""
	wait; rm -f /tmp/amid.oom
done
for seconds in 0.1 0.4 0.8 1.2 1.6; do # before it is ready, or about then
	oomtrace --quiet >/tmp/out 2>/tmp/err &
	sleep $seconds
	kill -TERM $!; wait $!; got=$?
	case $got in 0 | 143) echo "ok early-$seconds" ;; *) echo "not ok early-$seconds: $got: $(tail -3 /tmp/err)" ;; esac
done
rm -r /var/cache/oomtrace
oomtrace --quiet >/tmp/out 2>/tmp/err &
sleep 4 # it compiles
kill -TERM $!; wait $!
none_left() { ! pgrep -f 'python3 -m oomtrac[e]' >/dev/null; }
until_true none_left
is compiler-ends-too "$(pgrep -fa 'python3 -m oomtrac[e]')" ""
trace --quiet
kill -KILL $pid; wait $pid
until_true no_probe
is no-probe-left $? 0
echo "ok end"

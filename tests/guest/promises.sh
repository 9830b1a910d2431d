# For scripts that run in a guest: a line "ok NAME" or "not ok NAME: …" for each promise; sourced.

check() { # NAME STATUS COMMAND…
	name=$1 wanted=$2; shift 2
	"$@" >/tmp/out 2>/tmp/err; got=$?
	if [ $got = "$wanted" ]; then echo "ok $name"; else echo "not ok $name: $got instead of $wanted: $(tail -3 /tmp/err)"; fi
}
is() { # NAME FOUND WANTED
	if [ "$2" = "$3" ]; then echo "ok $1"; else echo "not ok $1: $2 instead of $3"; fi
}
until_true() { # COMMAND…
	tries=0
	until "$@" 2>/dev/null; do
		tries=$((tries + 1)); [ $tries -lt 300 ] || return 1
		sleep 0.1
	done
}
no_probe() { ! grep -q kprobe_multi /proc/self/mounts && ! grep -q . /sys/kernel/debug/kprobes/list; }

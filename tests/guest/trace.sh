#!/bin/sh
# Run in a guest: trace what the OOM killer does while a command runs.
#
#   trace.sh FOLDER COMMAND…
#
# $TRACE_OPTIONS: more options of the trace. Leaves in FOLDER: ours (the reports, kernel format), err (stderr), captures/, kmsg (the kernel's own log).
out=$1; shift
mkdir -p "$out"
dmesg -C
mkfifo "$out/ready"
cd "$(dirname "$0")/../.." || exit 1
# The ready file is a fifo: opening it waits for the other side, so nothing has to poll; there is nothing in it if the
# trace could not start.
# shellcheck disable=SC2086 # they are several
oomtrace -v $TRACE_OPTIONS --format kernel -o "$out/captures/" --ready-file "$out/ready" >"$out/ours" 2>"$out/err" &
if ! read -r pid <"$out/ready"; then
	cat "$out/err" >&2
	exit 1
fi
"$@"
status=$?
kill -TERM "$pid"
wait
timeout 1 cat /dev/kmsg >"$out/kmsg"
cat "$out/err" >&2
exit $status

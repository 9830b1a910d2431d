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
	wait # until it has said why
	cat "$out/err" >&2
	exit 1
fi
"$@"
status=$?
kill -TERM "$pid"
wait
sleep 1 # the OOM reaper may be about to print
# A read is a record; dd ends where there is no further one, however long it takes.
dd if=/dev/kmsg of="$out/kmsg" bs=8192 iflag=nonblock 2>/dev/null
cat "$out/err" >&2
exit $status

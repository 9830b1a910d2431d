#!/bin/sh
# Run in a guest on arm64: what its boot is shared for. Each thing leaves a folder or files in /tmp/out.
cd "$(dirname "$0")/../.." || exit 1
# Every charge is watched, through a trampoline where the kernel has them.
TRACE_OPTIONS="--charges every" sh tests/guest/trace.sh /tmp/out/every python3 tests/guest/memcg_oom.py || exit 1
# By which code memory was charged: the stacks of processes.
for name in /root/put/fill*; do
	command=$name
	[ "${name%.py}" = "$name" ] || command="python3 $name"
	adj0 oomtrace run -o "/tmp/out/$(basename "$name").oom" --memory-max 64M -- $command
done
# Captures of the other architecture.
for name in tests/fixtures/data/*.oom; do
	oomtrace read --format json "$name" >"/tmp/out/$(basename "$name").json"
	oomtrace read --format text "$name" >"/tmp/out/$(basename "$name").text"
done

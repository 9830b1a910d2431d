#!/bin/sh
# Run in a guest: each program of /root/put/code that is named, into its limit; captures of that go to /tmp/out.
mkdir -p /tmp/out
for name in "$@"; do
	command=/root/put/code/$name
	[ "${name%.py}" = "$name" ] || command="python3 $command"
	adj0 oomtrace run -o /tmp/out/$name.oom --memory-max 64M -- $command
done
# Beside the kernel's own report, too: what --verify finds to differ is said.
mkfifo /tmp/ready
adj0 oomtrace --stacks on --verify --once --quiet --ready-file /tmp/ready -o /tmp/out/verified.oom &
cat /tmp/ready
adj0 oomtrace run --no-stacks -q --memory-max 64M -- /root/put/code/$1
wait $!

#!/bin/sh
# Run in a guest: each program of /root/put/code that is named, into its limit; captures of that go to /tmp/out.
programs=/root/put/code
mkdir -p /tmp/out
# A huge page is one charge: 64 MiB of them are 32 samples at most.
echo never >/sys/kernel/mm/transparent_hugepage/enabled
for name in "$@"; do
	command=$programs/$name
	limit=64M
	# Its interpreter takes 4 MiB as it starts, which are no function's.
	[ "${name%.py}" = "$name" ] || { command="python3 $command"; limit=128M; }
	adj0 oomtrace run -o /tmp/out/$name.oom --memory-max $limit -- $command
done
# With its stacks, to be resolved on another machine: here the program has no names.
[ ! -e $programs/stripped ] ||
	adj0 oomtrace run --stack-memory -o /tmp/out/stripped.oom --memory-max 64M -- $programs/stripped
# Without an OOM.
adj0 oomtrace run --stacks --memory-max 64M -- $programs/$1 40 2>/tmp/out/peak.txt
adj0 oomtrace run --stacks --format folded --memory-max 64M -- $programs/$1 40 2>/tmp/out/peak.folded
adj0 oomtrace run --stacks -o /tmp/out/peak.pb.gz --memory-max 64M -- $programs/$1 40
# Beside the kernel's own report, too: what --verify finds to differ is said.
mkfifo /tmp/ready
adj0 oomtrace --stacks on --verify --once --quiet --ready-file /tmp/ready -o /tmp/out/verified.oom &
cat /tmp/ready
adj0 oomtrace run --no-stacks -q --memory-max 64M -- $programs/$1
wait $!

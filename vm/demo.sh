#!/bin/sh
# Run in a guest by `make demo`: a memory cgroup /foo runs full while oomtrace looks on. $1: --color's argument.
cd "$(dirname "$0")/.." || exit 1
mkfifo /tmp/ready
oomtrace --once --verify --color "${1:-auto}" --ready-file /tmp/ready &
trace=$!
# Nothing to read if it could not start.
read -r ready </tmp/ready && python3 tests/guest/memcg_oom.py --limit-mib 64 >/dev/null
wait $trace

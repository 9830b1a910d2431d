#!/bin/sh
# Run in a guest that has neither bcc nor clang nor kernel headers: all that a person would do there works.
set -eu
if python3 -c "import bcc" 2>/dev/null || command -v clang || ls /usr/src/linux-headers-* 2>/dev/null; then
	echo "this guest has a compiler or headers" >&2
	exit 1
fi
oomtrace check
oomtrace -v --timeout 0.1 || test $? -eq 124
oomtrace -v --timeout 0.1 || test $? -eq 124
oomtrace repro --results - -q vm/scenarios/anon.yaml
# Of the harness that runs this, the commands would inherit that they must not be killed.
adj0 oomtrace run --memory-max 32M --expect oom -- tail /dev/zero
oomtrace --compile --timeout 0.1 || test $? -eq 11

#!/bin/sh
# Run in a guest: oomtrace run --fit, where no limit is enough, or none is to blame.
. tests/guest/promises.sh
. tests/repro/fit.sh
check fit-none-is-enough 5 ${fit#adj0 } --fit 8M..16M -- python3 /tmp/needs.py
check fit-fails-anyway 1 $fit --fit 8M..16M -- false
check fit-no-such-command 127 $fit --fit 8M..16M -- /nonexistent
echo "ok end"

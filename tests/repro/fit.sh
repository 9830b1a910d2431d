# For scripts that run in a guest: the smallest memory limit under which a command succeeds; sourced.

# 40 MiB that are written, and what Python needs besides; without swap 30 MiB can never do.
echo 'b = bytearray(40 << 20); b[::4096] = bytes(len(b[::4096]))' >/tmp/needs.py
fit="adj0 oomtrace run --swap-max 0"; [ -d /sys/fs/cgroup/memory ] && fit="adj0 oomtrace run"
check fit 0 $fit --fit 36M..64M --format json -- python3 /tmp/needs.py
found=$(sed -n 's/.*"smallest_bytes": \([0-9]*\).*/\1/p' /tmp/out)
is fit-is-what-it-needs "$([ "$found" -gt $((40 << 20)) ] && [ "$found" -lt $((56 << 20)) ] && echo yes)" yes

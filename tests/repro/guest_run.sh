#!/bin/sh
# Run in a guest: oomtrace run and repro as scripts use them.
. tests/guest/promises.sh
populated() { grep -q . "$1/cgroup.procs"; }
runs() { grep -qx "$1" "/proc/$(cat "$2/cgroup.procs")/comm"; } # it is there before it is the command
gone() { ! [ -e "$1" ]; }

echo 'bytearray(1 << 29)' >/tmp/hog.py
hog="adj0 python3 /tmp/hog.py"
mount=/sys/fs/cgroup; [ -d $mount/memory ] && mount=$mount/memory
ls -d $mount/*/ >/tmp/before

check status 7 oomtrace run -q -- sh -c 'exit 7'
check not-found 127 oomtrace run -q -- /nonexistent
check killed 137 oomtrace run -q --memory-max 32M -- $hog
check unexpected 5 oomtrace run -q --expect no-oom --memory-max 32M -- $hog
check other-victim 5 oomtrace run -q --expect victim=cat --memory-max 32M -- $hog
check usage 2 oomtrace run --expect maybe -- true
if [ -d /sys/fs/cgroup/memory ]; then
	check v1-has-no-high 1 oomtrace run -q --memory-high 32M -- true
	check v1-swap-needs-max 2 oomtrace run -q --swap-max 0 -- true
else
	limits="$(oomtrace run -q --memory-max 64M --memory-high 32M --swap-max 0 --oom-group -- sh -c \
		'cd /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); cat memory.max memory.high memory.swap.max memory.oom.group')"
	is limits "$(echo $limits)" "67108864 33554432 0 1"
	check group 137 oomtrace run --format jsonl --memory-max 32M --oom-group -- adj0 sh -c \
		"sleep 100 & until grep -q sleep /proc/\$!/comm; do sleep 0.1; done; $hog"
	is group-kills-all "$(grep -o '"comm":"sleep"' /tmp/err | head -1)" '"comm":"sleep"'
fi
check two-ooms 0 oomtrace run --count 1 --format jsonl --memory-max 32M -- sh -c "$hog; $hog; true"
is count "$(grep -c '^{' /tmp/err)" 1

oomtrace run --format kernel --memory-max 32M --cgroup here -- $hog >/tmp/out 2>/tmp/err
is report "$(grep -c 'oom_memcg=/here,task_memcg=/here,task=python3' /tmp/err)" 1
is stdin "$(echo through | oomtrace run -q -- cat)" through
is cgroup "$(oomtrace run -q --cgroup named -- cat /proc/self/cgroup | grep -c :/named$)" 1
is adj "$(sh -c 'echo 300 >/proc/self/oom_score_adj; exec oomtrace run -q -- cat /proc/self/oom_score_adj')" 300
# -1000, as this harness has it, is not passed on: the command could not be OOM-killed.
is adj-exempt "$(cat /proc/self/oom_score_adj) $(oomtrace run -q -- cat /proc/self/oom_score_adj)" "-1000 0"

oomtrace run -q -o /tmp/x.oom --memory-max 32M -- $hog 2>/dev/null
is capture "$(oomtrace read /tmp/x.oom --format kernel | grep -c 'Killed process')" 1

# By which code it charged: three quarters in one function, one in the other, but for what the interpreter takes as it
# starts, and what is charged until somebody has looked at it. The sum of all may be more than what is held: the files
# that are read are charged, too, and make room later.
shares() { # MIB-HELD FILE…
	held=$(($1 << 20)); shift
	awk -v h=$held '/;parse \(/ { p += $NF } /;cache \(/ { c += $NF } { t += $NF }
	END { print (100 * p >= 65 * h && 100 * p <= 80 * h && 100 * (p + c) >= 90 * h && 100 * (p + c) >= 80 * t) \
		? "yes" : p "," c " of " t "," h " held" }' "$@"
}
oomtrace run -q -o /tmp/code.oom --memory-max 128M -- adj0 python3 tests/live/code/fill.py 2>/dev/null
is code "$(oomtrace read --format folded /tmp/code.oom | shares 128)" yes
is no-stack-memory "$(grep -ac RAWC /tmp/code.oom)" 0
check code-without-oom 0 oomtrace run --stacks -o /tmp/peak.folded -- python3 tests/live/code/fill.py 0.5 100
is code-of-the-peak "$(shares 100 /tmp/peak.folded) $(stat -c %a /tmp/peak.folded)" "yes 600"

oomtrace run -q --cgroup forwarded -- sh -c 'trap "exit 33" TERM; touch /tmp/trapped; while :; do sleep 0.1; done' &
until_true test -e /tmp/trapped
kill -TERM $!; wait $!
is signal $? 33

# Who else ended it: another process, by name; the kernel, for a limit; itself; nobody.
oomtrace run --cgroup ended -- sleep 1000 2>/tmp/err &
until_true runs sleep $mount/ended
sh -c 'kill -KILL "$1"; true' named-killer "$(cat $mount/ended/cgroup.procs)"; wait $!
is killed-by-another $? 137
is killed-by-whom "$(tr '\n' ' ' </tmp/err | grep -c 'killed sleep ([0-9]*).*SIGKILL.*named-killer.*OOM killer had no part')" 1
check limit-of-time 137 oomtrace run -- sh -c 'ulimit -t 1; while :; do :; done'
is limit-is-named "$(grep -c RLIMIT_CPU /tmp/err)" 1
check nobody-else 0 oomtrace run -- true
is nobody-is-named "$(grep -c 'killed by' /tmp/err)" 0

oomtrace run -q --cgroup crashed -- sleep 1000 &
until_true populated $mount/crashed
kill -KILL $!
until_true gone $mount/crashed
is crash-leaves-no-cgroup $? 0
. tests/repro/fit.sh
check fit-usage 2 $fit --fit 16M..8M -- true

ls -d $mount/*/ >/tmp/after
is nothing-left "$(diff /tmp/before /tmp/after)" ""
until_true no_probe
is no-probe-left $? 0

cat >/tmp/slow.yaml <<'END'
about: A sysctl is set and nothing happens.
sysctl: {vm.oom_dump_tasks: 0}
cgroups: {/slow: {memory.max: 64M}}
processes: [{name: idle, cgroup: /slow, do: [ready, sleep]}]
expect: {min_events: 1}
END
oomtrace repro -q /tmp/slow.yaml 2>/tmp/err &
until_true populated $mount/slow
is sysctl-set "$(cat /proc/sys/vm/oom_dump_tasks)" 0
kill -KILL $!
until_true gone $mount/slow
is killed-repro-leaves-no-cgroup $? 0
is killed-repro-restores-sysctls "$(cat /proc/sys/vm/oom_dump_tasks)" 1
sed 's/^sysctl:/sisctl:/' /tmp/slow.yaml >/tmp/wrong.yaml
check repro-check-finds-it 2 oomtrace repro --check /tmp/wrong.yaml
is repro-check-says-where "$(grep -c '/tmp/wrong.yaml:2:1: ' /tmp/err)" 1
sed 's/^about:/dangerous: it bites\nabout:/' /tmp/slow.yaml >/tmp/dangerous.yaml
check dangerous 6 oomtrace repro -q /tmp/dangerous.yaml
mkdir $mount/slow
check existing-cgroup 6 oomtrace repro -q /tmp/slow.yaml
is says-that-it-exists "$(grep -c 'the cgroup /slow exists' /tmp/err)" 1
rmdir $mount/slow
python3 tests/repro/guest_terminal.py || echo "not ok terminal: $?"
echo "ok end"

#!/bin/sh
# Run in a guest of the systemd variant: start the unit, let OOMs happen under it, show what it left.
#
#   service.sh START LOOK [DROP-IN…]
#
# START and LOOK are the page's words for starting it and for looking at what it has recorded, DROP-IN those for putting
# in a drop-in; without any, those for a hook and for counters are there from the start.
set -e
cd "$(dirname "$0")/../.."
wait_for() { # SECONDS SHELL-CONDITION: until it holds; where it never does, what follows tells what is missing
	halves=$(($1 * 2))
	until eval "$2" 2>/dev/null || [ $halves -le 0 ]; do
		sleep 0.5
		halves=$((halves - 1))
	done
	[ $halves -gt 0 ] || echo "waited $1 s in vain: $2"
}
# The service sees no home folders (ProtectHome), so it cannot run from the checkout.
mkdir -p /opt/oomtrace/lib/systemd/system
cp -r oomtrace bpf /opt/oomtrace/
printf '#!/bin/sh\nPYTHONPATH=/opt/oomtrace exec python3 -m oomtrace "$@"\n' >/usr/local/bin/oomtrace
sed 's/--keep 200/--keep 2/' systemd/oomtrace.service >/opt/oomtrace/lib/systemd/system/oomtrace.service
# The drop-ins for a hook and for counters, with a hook that tells what it is.
mkdir -p /etc/systemd/system/oomtrace.service.d /var/lib/prometheus/node-exporter /usr/share/oomtrace
chown nobody /var/lib/prometheus/node-exporter
cp -r systemd/drop-ins /usr/share/oomtrace/systemd # as packages have it
sed -i 's,--exec "[^"]*",--exec "sh /opt/oomtrace/hook.sh",' /usr/share/oomtrace/systemd/exec.conf
[ $# -gt 2 ] || cp /usr/share/oomtrace/systemd/textfile.conf /usr/share/oomtrace/systemd/exec.conf \
	/etc/systemd/system/oomtrace.service.d/
if [ -d /root/put/otlp ]; then # the OpenTelemetry SDK: the drop-in for a collector, and one to talk to
	cp -r /root/put/otlp/* tests/guest/collector.py /opt/oomtrace/
	cp systemd/drop-ins/otlp.conf /etc/systemd/system/oomtrace.service.d/
	busybox ifconfig lo 127.0.0.1 up
	PYTHONPATH=/opt/oomtrace python3 /opt/oomtrace/collector.py >/root/collector 2>/dev/null &
fi
cat >/opt/oomtrace/hook.sh <<'END'
[ "$OOMTRACE_KIND" != killed ] || kind="$OOMTRACE_SENDER $OOMTRACE_SIGNAL "
echo "hook: $kind$OOMTRACE_VICTIM $(cat /proc/self/oom_score_adj) $(nice) $(grep -c '"schema":"oomtrace/2"')" \
	>>/var/lib/oomtrace/hooked
exec sh /opt/oomtrace/journal
END
cp deploy/hooks/journal /opt/oomtrace/
start=$1 look=$2
shift 2
for commands in "$start" "$@"; do
	if ! eval "$commands"; then
		systemctl status --no-pager oomtrace || true
		journalctl --no-pager -u oomtrace
		exit 1
	fi
done
echo "enabled: $(systemctl is-enabled oomtrace)"
echo "active: $(systemctl is-active oomtrace)"
pid=$(systemctl show --value -p MainPID oomtrace)
# Not systemd-run: that needs D-Bus.
printf '[Service]\nType=oneshot\nExecStart=tail /dev/zero\nMemoryMax=24M\nMemorySwapMax=0\n' \
	>/run/systemd/system/victim@.service
for number in 1 2 3; do
	systemctl start "victim@$number" || true
done
# Entry, hook and counters come one after the other.
wait_for 60 '[ "$(journalctl --no-pager -o cat -t oomtrace MESSAGE_ID=aca40e4268b646a18c779427d1fc2d74 | wc -l)" -ge 3 ]'
echo "adj: $(cat /proc/"$pid"/oom_score_adj)"
echo "capabilities: $(grep CapEff /proc/"$pid"/status | tr -d '\t')"
echo "locked: $(grep VmLck /proc/"$pid"/status | tr -s '\t ' ' ')"
echo "resident: $(grep VmRSS /proc/"$pid"/status | tr -s '\t ' ' ')"
journalctl --no-pager -o json -t oomtrace MESSAGE_ID=aca40e4268b646a18c779427d1fc2d74 | sed 's/^/entry: /'
wait_for 60 '[ "$(wc -l </var/lib/oomtrace/hooked)" -ge 3 ]'
wait_for 60 '[ "$(grep -c "oomtrace_ooms_total{" /var/lib/prometheus/node-exporter/oomtrace.prom)" -ge 3 ]'
cat /var/lib/oomtrace/hooked
sed 's/^/metric: /' /var/lib/prometheus/node-exporter/oomtrace.prom
find /var/lib/oomtrace -name '*.oom' -printf 'capture: %m %p\n'
eval "$look" | sed 's/^/look: /'
# Killed by another where memory is short: systemd stops a unit near its limit. The limit is set once the unit has all
# that it will ask for: before, the OOM killer would be the one who kills.
cat >/run/systemd/system/nearly.service <<'END'
[Service]
ExecStart=python3 -c "b = bytearray(40 << 20); open('/run/filled', 'w'); import time; time.sleep(1000)"
MemoryMax=56M
KillSignal=SIGKILL
END
systemctl start nearly
wait_for 120 '[ -e /run/filled ]'
nearly=/sys/fs/cgroup/system.slice/nearly.service
echo $(($(cat $nearly/memory.current) + (1 << 20))) >$nearly/memory.max
systemctl stop nearly
wait_for 60 '[ "$(wc -l </var/lib/oomtrace/hooked)" -ge 4 ]'
wait_for 60 'grep -q kills_by_others_total{ /var/lib/prometheus/node-exporter/oomtrace.prom'
tail -n 1 /var/lib/oomtrace/hooked
journalctl --no-pager -o cat -t oomtrace _TRANSPORT=stdout PRIORITY=4 | sed 's/^/systemd-cat: /'
grep kills_by_others_total{ /var/lib/prometheus/node-exporter/oomtrace.prom | sed 's/^/metric: /'
[ ! -e /root/collector ] || cat /root/collector
find /var/cache/oomtrace -name '*.json' -printf 'kept: %m\n'
kill -KILL "$pid"
# Both in one answer: for a moment after the kill it is still active, and has no main process any more.
restarted() {
	systemctl show -p ActiveState -p MainPID oomtrace | sort | tr '\n' ' ' |
		grep "ActiveState=active MainPID=[1-9]" | grep -qv "MainPID=$pid "
}
wait_for 150 restarted
echo "after a kill: $(systemctl is-active oomtrace)"
systemctl stop oomtrace
echo "stopped: $(systemctl show --value -p Result oomtrace)"
echo "kprobes left: $(grep -c oom /sys/kernel/debug/kprobes/list || true)"
journalctl --no-pager -o cat -u oomtrace

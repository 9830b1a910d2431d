# Run in a guest of the fleet variant: the service with its drop-ins, and those who collect from many machines, for real:
# Debian's node_exporter and Prometheus, systemd-journal-upload and systemd-journal-remote; a web server for the hook.
#
#   fleet.sh START DROP-IN… (the pages' words), then -- and what asks the journals of other machines
cd "$(dirname "$0")/../.." || exit 1
mkdir -p /opt/oomtrace/lib/systemd/system /usr/share/oomtrace /var/lib/prometheus/node-exporter /var/log/journal/remote
cp -r oomtrace bpf /opt/oomtrace/ # the service sees no home folders
printf '#!/bin/sh\nPYTHONPATH=/opt/oomtrace exec python3 -m oomtrace "$@"\n' >/usr/local/bin/oomtrace
cp systemd/oomtrace.service /opt/oomtrace/lib/systemd/system/
cp -r systemd/drop-ins /usr/share/oomtrace/systemd
cp -r deploy/hooks /usr/share/oomtrace/
sed -i 's,https://alerts.example.org,http://127.0.0.1:8080,' /usr/share/oomtrace/systemd/exec.conf
busybox ifconfig lo 127.0.0.1 up
until_line() { # SECONDS TEXT COMMAND…: until it prints that
	end=$(($(date +%s) + $1)) text=$2
	shift 2
	until "$@" 2>/dev/null | grep -q "$text" || [ "$(date +%s)" -ge "$end" ]; do sleep 1; done
}

cat >/root/server.py <<'END-OF-SERVER'
import http.server, json, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["event"]
        time.sleep(3)  # the service is started anew meanwhile, and lets the hook end
        print("webhook:", self.path, event["kind"], event["report"]["kills"][0]["comm"], flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
END-OF-SERVER
python3 /root/server.py >/root/webhooks &

# Debian's units as they are; of journal-remote by HTTP, which has no certificates here.
mkdir -p /etc/systemd/system/systemd-journal-remote.service.d
printf '[Service]\nExecStart=\nExecStart=/lib/systemd/systemd-journal-remote --listen-http=-3 --output=/var/log/journal/remote/\n' \
	>/etc/systemd/system/systemd-journal-remote.service.d/http.conf
chown systemd-journal-remote /var/log/journal/remote
printf '[Upload]\nURL=http://127.0.0.1:19532\n' >/etc/systemd/journal-upload.conf
cp deploy/prometheus/alerts.yml /etc/prometheus/oomtrace.yml
cat >/etc/prometheus/prometheus.yml <<'END-OF-CONFIGURATION'
global: {scrape_interval: 2s, evaluation_interval: 2s}
rule_files: [/etc/prometheus/oomtrace.yml]
scrape_configs:
  - {job_name: node, static_configs: [{targets: ["127.0.0.1:9100"]}]}
END-OF-CONFIGURATION
systemctl daemon-reload
systemctl stop systemd-journal-upload 2>/dev/null
systemctl restart systemd-journal-remote.socket prometheus-node-exporter prometheus
systemctl start systemd-journal-upload

while [ $# -gt 0 ] && [ "$1" != -- ]; do
	eval "$1"
	shift
done
shift
echo "service: $(systemctl is-active oomtrace)"
printf '[Service]\nType=oneshot\nExecStart=tail /dev/zero\nMemoryMax=24M\nMemorySwapMax=0\n' \
	>/run/systemd/system/victim.service
oom() { # HOW-MANY: so many there are then
	systemctl start victim
	until_line 60 " $1\$" grep '^oomtrace_ooms_total' /var/lib/prometheus/node-exporter/oomtrace.prom
}
oom 1
systemctl restart oomtrace # the counter goes on
oom 2
promtool check metrics </var/lib/prometheus/node-exporter/oomtrace.prom && echo "promtool: metrics ok"
promtool check rules /etc/prometheus/oomtrace.yml >/dev/null && echo "promtool: rules ok"
query() { promtool query instant http://127.0.0.1:9090 "$1"; }
until_line 90 "=> 2 " query oomtrace_ooms_total
query oomtrace_ooms_total | sed 's/^/query: /'
query oomtrace_killed_processes_total | sed 's/^/query: /'
alerts() { curl -s http://127.0.0.1:9090/api/v1/alerts; }
until_line 90 '"firing"' alerts
alerts | sed 's/^/alerts: /'
echo
arrived() {
	journalctl -D /var/log/journal/remote MESSAGE_ID=aca40e4268b646a18c779427d1fc2d74 -o export | grep -c ^__CURSOR=
}
until_line 90 '^2$' arrived
for command in "$@"; do
	eval "$command" | sed 's/^/remote: /'
done
until_line 90 '^2$' grep -c webhook /root/webhooks
cat /root/webhooks
journalctl --no-pager -o cat -u oomtrace | sed 's/^/said: /'
for unit in prometheus prometheus-node-exporter systemd-journal-remote systemd-journal-upload; do
	systemctl is-active $unit | sed "s/^/$unit: /"
	journalctl --no-pager -o cat -u $unit -n 3 | sed "s/^/$unit: said: /"
done

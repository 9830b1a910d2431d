# What the guests' scripts share: a service that runs is shown to see an OOM. Needs the systemd variant.

# The guest is as a server: no checkout, no command of the harness's; and dpkg unpacks manual pages, too.
forget_the_checkout() {
	cd /
	rm -rf /root/oomtrace /usr/local/bin/oomtrace
	rm -f /etc/dpkg/dpkg.cfg.d/*
	printf '[Service]\nType=oneshot\nExecStart=tail /dev/zero\nMemoryMax=24M\nMemorySwapMax=0\n' \
		>/run/systemd/system/victim.service
}

captures() {
	find /var/lib/oomtrace -name '*.oom' 2>/dev/null | wc -l
}

# see_an_oom N: makes one; says so when there are N captures.
see_an_oom() {
	systemctl start victim 2>/dev/null
	tries=0
	until [ "$(captures)" -ge "$1" ] || [ $tries -ge 120 ]; do
		sleep 0.5
		tries=$((tries + 1))
	done
	echo "captures: $(captures), service: $(systemctl is-active oomtrace), $(systemctl is-enabled oomtrace)"
}

# show_failure: for whoever reads why a test failed.
show_failure() {
	systemctl status --no-pager oomtrace || true
	journalctl --no-pager -u oomtrace || true
}

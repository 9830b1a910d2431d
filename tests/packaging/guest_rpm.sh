# Debian has rpm's program, but no packages of rpm's: what the package needs is there under Debian's names.
. /root/put/guest_service.sh
forget_the_checkout
old=$(ls /root/put/old/*.rpm) new=$(ls /root/put/new/*.rpm)
rpm -i --nodeps "$old" || exit 1
echo "installed: $(rpm -q oomtrace)"
echo "at first: $(systemctl is-active oomtrace), $(stat -c %a /var/lib/oomtrace)"
oomtrace check >/dev/null
echo "check: $?"
systemctl enable --now oomtrace || show_failure
see_an_oom 1
pid=$(systemctl show --value -p MainPID oomtrace)
rpm -U --nodeps "$new" || exit 1
echo "upgraded: $(rpm -q oomtrace)"
echo "unit to be read again: $(systemctl show --value -p NeedDaemonReload oomtrace)"
oomtrace --version
[ "$(systemctl show --value -p MainPID oomtrace)" = "$pid" ] || echo "upgrade: restarted"
see_an_oom 2
rpm -e oomtrace || exit 1
echo "removed: $(systemctl is-active oomtrace), captures: $(captures)"
echo "left: $(find /usr/share/oomtrace /usr/bin/oomtrace /usr/lib/systemd/system/oomtrace.service 2>/dev/null | tr '\n' ' ')"

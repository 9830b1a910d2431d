. /root/put/guest_service.sh
forget_the_checkout
rm -rf /usr/lib/python3/dist-packages/click /usr/lib/python3/dist-packages/yaml
cd /root/put
python3 oomtrace.pyz install-service || show_failure
see_an_oom 1
rm oomtrace.pyz
oomtrace read --format why /var/lib/oomtrace/*.oom | head -n 2
pid=$(systemctl show --value -p MainPID oomtrace)
oomtrace install-service
[ "$(systemctl show --value -p MainPID oomtrace)" = "$pid" ] || echo "again: restarted"
see_an_oom 2
oomtrace install-service --remove
echo "left: $(ls /usr/local/bin /etc/systemd/system | grep -c oomtrace), captures: $(captures)"
systemctl is-active oomtrace

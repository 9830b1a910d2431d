. /root/put/guest_service.sh
forget_the_checkout
old=$(ls /root/put/old/*.deb) new=$(ls /root/put/new/*.deb)
dpkg -i "$old" || exit 1
dpkg-query -W -f 'installed: ${Status} ${Version}\n' oomtrace
echo "at first: $(systemctl is-active oomtrace), $(systemctl is-enabled oomtrace), $(stat -c %a /var/lib/oomtrace)"
for file in man/man1/oomtrace.1.gz bash-completion/completions/oomtrace zsh/vendor-completions/_oomtrace \
	fish/vendor_completions.d/oomtrace.fish; do
	[ -s /usr/share/$file ] && echo "has $file"
done
bash -c '. /usr/share/bash-completion/completions/oomtrace
	COMP_WORDS=(oomtrace che) COMP_CWORD=1 COMPREPLY=(); _oomtrace_completion oomtrace che oomtrace; echo "completed: ${COMPREPLY[*]}"'
oomtrace check >/dev/null
echo "check: $?"
systemctl enable --now oomtrace || show_failure
see_an_oom 1
pid=$(systemctl show --value -p MainPID oomtrace)
dpkg -i "$new" || exit 1
dpkg-query -W -f 'upgraded: ${Status} ${Version}\n' oomtrace
oomtrace --version
[ "$(systemctl show --value -p MainPID oomtrace)" = "$pid" ] || echo "upgrade: restarted"
see_an_oom 2
dpkg -r oomtrace || exit 1
echo "removed: $(systemctl is-active oomtrace), captures: $(captures)"
dpkg -P oomtrace || exit 1
echo "left: $(ls -d /var/lib/oomtrace /var/cache/oomtrace /usr/lib/python3/dist-packages/oomtrace \
	/etc/systemd/system/multi-user.target.wants/oomtrace.service 2>/dev/null | tr '\n' ' ')"

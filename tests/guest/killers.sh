# Run in a guest with systemd: those who kill besides the OOM killer, for real. Prints the events of two traces.
cd /root || exit 1
trace() { # MODE: in the background, until "kill $tracing"
	rm -f ready
	mkfifo ready
	adj0 oomtrace trace --kills "$1" --format jsonl --ready-file ready >"/tmp/$1" 2>"/tmp/$1.err" &
	tracing=$!
	read -r _ <ready
}
ended() { # UNIT SECONDS
	tries=0
	while systemctl is-active -q "$1" && [ $tries -lt "$2" ]; do
		sleep 1
		tries=$((tries + 1))
	done
	systemctl is-active "$1" | sed "s/^/$1: /"
}
until_it() { # COMMAND…: a state that comes; if it never does, the guest is given up, and this was its last word
	"$@" 2>/dev/null && return
	echo "waiting for: $*"
	until "$@" 2>/dev/null; do sleep 0.2; done
}
runs() { grep -qx "$2" "/proc/$1/comm"; } # PID NAME
both() { [ "$(wc -l <"$1/cgroup.procs")" = 2 ] && ! cat $(sed 's,.*,/proc/&/comm,' "$1/cgroup.procs") | grep -qvx sleep; }
shown() {
	sleep 5
	kill $tracing
	wait $tracing
	sed "s/^/$1 /" "/tmp/$1"
	sed "s/^/said: /" "/tmp/$1.err"
}
systemctl stop earlyoom systemd-oomd nohang nohang-desktop oomd containerd 2>/dev/null
mkdir -p /etc/systemd/oomd.conf.d
printf '[OOM]\nDefaultMemoryPressureDurationSec=1s\n' >/etc/systemd/oomd.conf.d/test.conf
dd if=/dev/zero of=/root/large bs=1M count=80 2>/dev/null
sync
echo 3 >/proc/sys/vm/drop_caches # who reads it next has it charged to its own cgroup
cat >again.py <<'END'
import mmap

with open("/root/large", "r+b") as file:
    mapped = mmap.mmap(file.fileno(), 0)
while True:  # more than memory.high: read back again and again
    sum(mapped[::4096])
END

trace near
adj0 sleep 1000 &
kill -KILL $! # memory is not short: not told
if [ -e /lib/systemd/systemd-oomd ]; then
	systemctl start systemd-oomd
	systemd-run -q --unit=press -p MemoryHigh=24M -p MemorySwapMax=0 -p ManagedOOMMemoryPressure=kill \
		-p ManagedOOMMemoryPressureLimit=2% -p OOMScoreAdjust=0 -p ExecStopPost="/bin/sleep 4" python3 /root/again.py
	ended press 120
	systemctl stop press systemd-oomd 2>/dev/null
fi
cat >full.py <<'END'
import sys, time

kept = bytearray(int(sys.argv[1]) << 20)
open(sys.argv[2], "w").close()
time.sleep(1000)
END
systemd-run -q --unit=eater -p OOMScoreAdjust=500 python3 /root/full.py 100 /tmp/eater
until_it [ -e /tmp/eater ]
systemd-run -q --unit=early earlyoom -m 95,94 -s 100,100 --prefer python3 -r 0
ended eater 120
systemctl stop early
if [ -e /usr/sbin/nohang ]; then
	sed 's/^soft_threshold_min_mem.*/soft_threshold_min_mem = 50 %/' /etc/nohang/nohang.conf >/etc/nohang/test.conf
	systemd-run -q --unit=hungry -p OOMScoreAdjust=500 python3 /root/full.py 420 /tmp/hungry
	until_it [ -e /tmp/hungry ]
	systemd-run -q --unit=hang nohang --monitor --config /etc/nohang/test.conf
	ended hungry 120
	systemctl stop hang
	journalctl --no-pager -o cat -u hang | tail -n 40 | sed 's/^/nohang: /'
fi
if [ -e /usr/bin/oomd ]; then
	cat >/etc/oomd/test.json <<-'END'
		{"rulesets": [{"name": "too large", "detectors": [["it is there",
		{"name": "exists", "args": {"cgroup": "system.slice/large.service"}}]], "actions": [
		{"name": "kill_by_memory_size_or_growth", "args": {"cgroup": "system.slice/large.service"}}]}]}
	END
	systemd-run -q --unit=large python3 /root/full.py 30 /tmp/large
	until_it [ -e /tmp/large ]
	systemd-run -q --unit=facebook oomd --interval 1 --config /etc/oomd/test.json
	ended large 120
	systemctl stop facebook
	journalctl --no-pager -o cat -u facebook | tail -n 40 | sed 's/^/oomd: /'
	dmesg | grep oomd | sed 's/^/oomd: kernel: /'
fi
shown near

trace all
mkdir /sys/fs/cgroup/together
adj0 sh -c 'echo $$ >/sys/fs/cgroup/together/cgroup.procs; sleep 1001 & exec sleep 1002' &
until_it both /sys/fs/cgroup/together
if [ -e /sys/fs/cgroup/together/cgroup.kill ]; then
	echo 1 >/sys/fs/cgroup/together/cgroup.kill
fi
systemd-run -q --unit=stubborn -p TimeoutStopSec=3 \
	python3 -c 'import signal, time; signal.signal(15, signal.SIG_IGN); open("/tmp/stubborn", "w"); time.sleep(1000)'
systemd-run -q --unit=polite \
	python3 -c 'import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); open("/tmp/polite", "w"); time.sleep(1000)'
until_it [ -e /tmp/stubborn ]
until_it [ -e /tmp/polite ]
systemctl stop stubborn
systemctl stop polite
mkdir -p box/bin
cp /bin/busybox box/bin/
ln -s busybox box/bin/sleep
tar -C box -c . | podman --cgroup-manager cgroupfs import -q - localhost/box:1 >/dev/null
podman --cgroup-manager cgroupfs run -d --name web --network none --memory 64m localhost/box:1 sleep 1003
podman --cgroup-manager cgroupfs stop -t 2 web >/dev/null 2>&1
if [ -e /usr/bin/containerd ]; then
	modprobe overlay
	systemctl start containerd
	podman --cgroup-manager cgroupfs save -q --format docker-archive -o box.tar localhost/box:1 2>/dev/null
	ctr image import box.tar >/dev/null
	ctr run -d localhost/box:1 shut sleep 1008
	sleep 1
	ctr task kill -s SIGKILL shut
	sleep 2
	systemctl stop containerd
fi
# memory.high: a process crawls, and nobody is killed.
systemd-run -q --unit=crawl -p MemoryHigh=30M -p MemorySwapMax=0 -p OOMScoreAdjust=0 \
	python3 -c 'kept = [bytearray(1 << 18) for _ in range(160)]; open("/tmp/crawled", "w")'
ended crawl 300
sleep 6
adj0 sleep 1004 &
until_it runs $! sleep # and no more adj0
sh -c 'kill -KILL "$1"; true' somebody $!
# A kubelet evicts a pod: one of our own making, that writes what a real one does, and has a runtime kill.
cp /bin/dash /tmp/kubelet
cp /bin/dash /tmp/runc
uid=2b7a1f0e-33aa-4c70-9d22-0123456789ab
box=/sys/fs/cgroup/kubepods/burstable/pod$uid/$(printf 'ab%.0s' $(seq 32))
mkdir -p "/var/log/pods/shop_orders_$uid/app" "$box"
for above in /sys/fs/cgroup/kubepods /sys/fs/cgroup/kubepods/burstable "${box%/*}"; do
	echo +memory >"$above/cgroup.subtree_control"
done
systemd-run -q --unit=kubelet /tmp/kubelet -c \
	'sleep 2; echo "I1 1 x.go:1] \"Eviction manager: pods ranked for eviction\" pods=[\"shop/orders\"]"; sleep 1000'
adj0 sh -c "echo \$\$ >$box/cgroup.procs; exec sleep 1007" &
until_it runs $! sleep
ranked() { journalctl --no-pager -o cat -u kubelet | grep -q 'ranked for eviction'; }
until_it ranked
/tmp/runc -c 'kill -KILL "$1"; true' runc $!
sleep 2
systemctl stop kubelet
# What the kernel ends: each process has the name of why, after "k-".
cat >kernel.py <<'END'
import ctypes, mmap, os, resource, signal, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)


def named(name):
    libc.prctl(15, name.encode(), 0, 0, 0)  # PR_SET_NAME


def cpu():
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    while True:
        pass


def fsize():
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.write(os.open("/tmp/too-large", os.O_CREAT | os.O_WRONLY), bytes(8192))
    os.write(os.open("/tmp/too-large", os.O_WRONLY | os.O_APPEND), bytes(8192))


def seccomp():
    # Of all system calls, getppid ends the process (SECCOMP_RET_KILL_PROCESS).
    rules = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, 110, 6, 0, 0, 0x80000000, 6, 0, 0, 0x7FFF0000)
    kept = ctypes.create_string_buffer(rules)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    libc.prctl(22, 2, ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(kept))), 0, 0)
    os.getppid()


def program():
    # An executable whose only segment lies beyond what a process may have: it fails when there is no way back.
    head = struct.pack("16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0xFFFF800000000000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("IIQQQQQQ", 1, 5, 0, 0xFFFF800000000000, 0xFFFF800000000000, 120, 120, 4096)
    with open("/tmp/k-broken", "wb") as file:
        file.write(head + segment)
    os.chmod("/tmp/k-broken", 0o755)
    os.execv("/tmp/k-broken", ["k-broken"])


def fault():
    ctypes.string_at(0)


def parent():
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    os.write(told, b"x")
    time.sleep(1000)


def poison():
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    memory[0] = 1
    memory.madvise(100)  # MADV_HWPOISON
    memory[0]


inside, told = os.pipe()
name = sys.argv[1]
pid = os.fork()
if not pid:
    if name == "parent":
        if os.fork():
            os.read(inside, 1)
            os._exit(0)
    named(f"k-{name}")
    try:
        globals()[name]()
    except OSError as error:
        print(f"{name}: {error}", flush=True)
    os._exit(0)
_, status = os.waitpid(pid, 0)
print(f"ended: {name} {status & 127}", flush=True)
END
for what in cpu fsize seccomp program fault parent poison; do
	adj0 python3 kernel.py $what 2>&1
	sleep 0.4 # another deed
done
unshare -pf sh -c 'sleep 1005 & sleep 0.5'
shown all
# oomtrace run says who ended its command.
oomtrace run -- sh -c 'echo $$ >/tmp/pid; exec sleep 1006' >/tmp/run 2>&1 &
running=$!
until_it [ -s /tmp/pid ]
until_it runs "$(cat /tmp/pid)" sleep
sh -c 'kill -KILL "$(cat /tmp/pid)"; true' somebody
wait $running
echo "run: $?"
sed 's/^/run: /' /tmp/run

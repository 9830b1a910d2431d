#!/run/vm/busybox sh
# Process 1 of the guest: mounts what was asked for, runs one command, sends what it prints and its status out.
# In the systemd variant process 1 goes on as systemd, and `harness.sh unit` does the rest as its only service.
#
# Leaves by four virtio-serial ports: vm.out, vm.err (the command's streams as they come), vm.files (a tar of what
# was asked for), vm.control (lines: "ready", "missing PATH", "exit STATUS"). Each ends in $VM_END, which only this
# run knows. Then it sleeps: the host has all it wants and ends the VM.

harness=/run/vm
. $harness/config

setup_mounts() {
    mount -t proc proc /proc
    # Children inherit it: what is to be killed must reset it (adj0 does).
    echo -1000 >/proc/self/oom_score_adj
    mount -t sysfs sysfs /sys
    mount -t devtmpfs dev /dev
    mkdir -p /dev/pts /dev/shm
    mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
    mount -t tmpfs tmpfs /dev/shm
    mount -t debugfs debugfs /sys/kernel/debug
    mount -t tracefs tracefs /sys/kernel/tracing
    mount -t bpf bpf /sys/fs/bpf
    ln -sfn /proc/self/fd /dev/fd
    for stream in stdin:0 stdout:1 stderr:2; do
        ln -sfn /proc/self/fd/${stream#*:} /dev/${stream%:*}
    done
}

setup_cgroup_v2() {
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    for controller in cpuset memory pids; do
        echo +$controller >/sys/fs/cgroup/cgroup.subtree_control
    done
}

setup_cgroup_v1() {
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    for controller in cpuset memory pids; do
        mkdir /sys/fs/cgroup/$controller
        mount -t cgroup -o $controller cgroup /sys/fs/cgroup/$controller
    done
    # Gone since 5.11, where hierarchies are always used.
    local use_hierarchy=/sys/fs/cgroup/memory/memory.use_hierarchy
    [ ! -e $use_hierarchy ] || echo 1 >$use_hierarchy
    mkdir /sys/fs/cgroup/unified
    mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
}

# disk_of SERIAL: the virtio disk that the host gave this serial number.
disk_of() {
    local block
    for block in /sys/block/vd*; do
        if [ "$(cat $block/serial)" = "$1" ]; then
            echo /dev/${block##*/}
        fi
    done
}

# port_of NAME: the device of the virtio-serial port of that name; they appear some time after the driver, when QEMU has
# answered. One that never does is a boot that hangs, which the host gives up.
port_of() {
    local tries=0 port
    while :; do
        for port in /sys/class/virtio-ports/*; do
            if [ "$(cat $port/name 2>/dev/null)" = "$1" ]; then
                echo /dev/${port##*/}
                return
            fi
        done
        usleep 50000
        tries=$((tries + 1))
        [ $tries != 400 ] || echo "vm: there is no port $1 so far" >&2
    done
}

# Kills all user processes but this one and the relays, so that no writer of the FIFOs is left.
kill_leftovers() {
    local process victims=
    for process in $(our_processes); do
        case " $$ $relays " in
            *" $process "*) ;;
            *) victims="$victims $process" ;;
        esac
    done
    kill -KILL $victims 2>/dev/null
}

# All there are, or under systemd those that the command has started.
our_processes() {
    if [ $$ = 1 ]; then
        ls /proc | grep '^[0-9]'
    else
        cat /sys/fs/cgroup/system.slice/vm-harness.service/cgroup.procs
    fi
}

become_systemd() {
    mkdir -p /run/systemd/system
    cat >/run/systemd/system/vm-harness.service <<END
[Unit]
After=basic.target
[Service]
ExecStart=$harness/busybox sh $harness/harness.sh unit
OOMScoreAdjust=-1000
TimeoutStopSec=1
END
    cat >/run/systemd/system/vm.target <<END
[Unit]
Requires=basic.target vm-harness.service
END
    # Its services inherit it, and one of them is to be killed; process 1 never is.
    echo 0 >/proc/self/oom_score_adj
    exec /lib/systemd/systemd --unit=vm.target --show-status=no
}

send_files() {
    local path
    cd /
    set --
    while read -r path; do
        if [ -e "$path" ]; then
            set -- "$@" "${path#/}"
        else
            echo "missing $path" >&3
        fi
    done <$harness/get
    [ $# = 0 ] || tar -chf - "$@" >&6
}

export PATH=$harness/bin
if [ "$1" != unit ]; then
    $harness/busybox mkdir $harness/bin
    $harness/busybox --install -s $harness/bin
    setup_mounts
    [ "$VM_INIT" != systemd ] || become_systemd
fi
exec 3>$(port_of vm.control) 4>$(port_of vm.out) 5>$(port_of vm.err) 6>$(port_of vm.files)
[ "$VM_INIT" = systemd ] || setup_cgroup_$VM_CGROUP
ip link set lo up
hostname oomtrace
if [ "$VM_SWAP" = 1 ]; then
    swap=$(disk_of swap)
    mkswap $swap >/dev/null && swapon $swap
fi
for tool in adj0 oomtrace; do
    cp $harness/$tool /usr/local/bin/
done
tar -xf $(disk_of payload) -C /root

mkfifo $harness/out $harness/err
cat <$harness/out >&4 &
relays=$!
cat <$harness/err >&5 &
relays="$relays $!"

echo ready >&3
(
    exec 3>&- 4>&- 5>&- 6>&-
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
    cd /root/oomtrace
    exec /bin/sh $harness/command
) </dev/null >$harness/out 2>$harness/err &
wait $!
status=$?

kill_leftovers
# A process that even SIGKILL does not end keeps a FIFO open: what it would still write is not waited for.
( sleep 30; kill -KILL $relays ) &
wait $relays
printf "$VM_END" >&4
printf "$VM_END" >&5
send_files
printf "$VM_END" >&6
printf "exit $status\n$VM_END" >&3
while :; do sleep 3600; done

# Run in a guest: two OOMs, with the sysctl vm.panic_on_oom at the second. Captures go to the disk "disk".
#
#   panic.sh PANIC_ON_OOM PRINTK_DELAY_MS
disk=$(grep -lx disk /sys/block/*/serial | cut -d/ -f4)
mkdir -p /mnt/disk
mount "/dev/$disk" /mnt/disk || exit 1
mkfifo /tmp/ready
adj0 oomtrace trace --quiet --ready-file /tmp/ready -o /mnt/disk/ &
read -r _ </tmp/ready
mkdir /sys/fs/cgroup/small
echo +memory >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null
echo 16M >/sys/fs/cgroup/small/memory.max
adj0 sh -c 'echo $$ >/sys/fs/cgroup/small/cgroup.procs; exec tail /dev/zero'
until ls /mnt/disk/*.oom 2>/dev/null; do sleep 0.1; done
sleep 1 # and no sync: the kernel itself would write it within half a minute
echo "panic_on_oom: $1"
sysctl -qw vm.panic_on_oom="$1" kernel.printk_delay="$2"
case $1 in
1) adj0 tail /dev/zero ;; # of the machine; one of a memory cgroup does not panic
2) adj0 sh -c 'echo $$ >/sys/fs/cgroup/small/cgroup.procs; exec tail /dev/zero' ;;
esac
echo "no panic"

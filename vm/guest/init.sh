#!/bin/busybox sh
# Process 1 of the initramfs: finds the root file system, puts the harness next to it, goes there.
#
# The harness (busybox and everything under /vm) goes to a ramfs: its pages can be neither evicted nor swapped,
# so that an OOM or a full disk in the guest does not slow down or stop what watches it.
export PATH=/bin
/bin/busybox --install -s /bin

mount -t devtmpfs dev /dev
for module in /modules/*.ko; do
    insmod "$module"
done
mount -t ext4 -o noatime /dev/vda /newroot || exec echo "vm: no root file system"

mount -t tmpfs -o mode=755 tmpfs /newroot/run
mkdir /newroot/run/vm /newroot/run/lock
mount -t ramfs -o mode=755 ramfs /newroot/run/vm
cp /bin/busybox /vm/* /newroot/run/vm/
umount /dev
exec switch_root /newroot /run/vm/busybox sh /run/vm/harness.sh

#!/bin/sh
# The guest's first process when systemd is to be the second: modules, the root disk, the host's root read-only and a
# folder for results over 9p, then systemd. It is the console alone that hears of trouble here.

/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev

while read -r module; do
  insmod "/modules/$module" || exit 1
done </modules/order

mount -t ext4 -o noatime /dev/vda /root || exit 1
options=trans=virtio,version=9p2000.L,msize=524288
mount -t 9p -o "$options,ro,cache=loose" hostroot /root/host || exit 1
# Not cached: what is written here outlives the machine at once.
mount -t 9p -o "$options" results /root/results || exit 1
mount -o move /dev /root/dev
exec switch_root /root /lib/systemd/systemd

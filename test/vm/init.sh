#!/bin/sh
# The guest's first process: modules, the host's root read-only over 9p, then the tests in there. What the host must
# know goes to the second serial line; messages of kernel and shell go to the first, the console.

# Ends the machine; the pause lets the serial line run empty.
finish() {
  echo "guest: $1" >/dev/ttyS1
  sleep 1
  poweroff -f
  sleep 60
}

/bin/busybox mkdir -p /proc /sys /dev /host
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
stty -F /dev/ttyS1 raw -echo

while read -r module; do
  insmod "/modules/$module" || finish "module $module cannot be loaded"
done </modules/order

options=trans=virtio,version=9p2000.L,ro,cache=loose,msize=524288
mount -t 9p -o "$options" hostroot /host || finish "the host's root cannot be mounted over 9p"
mount -t proc proc /host/proc
mount -t sysfs sys /host/sys
mount -t devtmpfs dev /host/dev
# Not over /tmp: the checkout may lie there.
mount -t tmpfs run /host/run
ifconfig lo 127.0.0.1 up
echo "guest: booted" >/dev/ttyS1

export PATH="$BUSBAR_PATH" HOME=/run TMPDIR=/run NO_COLOR=1 BUSBAR_VM_GUEST=1
export NODE_OPTIONS="--import $BUSBAR_DIR/test/vm/steady-wasm.mjs"
# shellcheck disable=SC2016
chroot /host /bin/sh -c 'cd "$BUSBAR_DIR" && exec "$BUSBAR_NODE" --test --test-concurrency=1 --test-reporter=spec $BUSBAR_TESTS' \
  >/dev/ttyS1 2>&1
finish "exit $?"

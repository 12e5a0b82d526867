#!/bin/sh
# Runs the test files of one life of the machine in order and tells the host how they ended.
tell() { echo "guest: $1" >/dev/ttyS1; }

stty -F /dev/ttyS1 raw -echo
tell booted
cd "/host$BUSBAR_DIR" || exit 1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/run NO_COLOR=1 BUSBAR_VM_SYSTEMD=1
export NODE_OPTIONS="--import /host$BUSBAR_DIR/test/vm/steady-wasm.mjs"
# As NTP would: the kernel's clock is true (adjtimex with ADJ_MAXERROR and ADJ_STATUS).
perl -e 'my $t = pack("L x4 q q q q l x4", 0x14, 0, 0, 0, 0, 0) . "\0" x 160; syscall(159, $t)'
code=0
for file in $BUSBAR_TESTS; do
  tell next
  # In one process, for each costs seconds here. Each file needs what the one before it has done.
  "/host$BUSBAR_NODE" --test --test-isolation=none --test-reporter=spec "$file" >/dev/ttyS1 2>&1
  code=$?
  [ $code = 0 ] || break
done
if [ "$BUSBAR_AFTER" = cut ] && [ $code = 0 ]; then
  tell cut
  exec sleep 60
fi
tell "exit $code"
systemctl poweroff --force --force

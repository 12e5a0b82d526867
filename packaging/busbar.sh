#!/bin/sh
# Starts Busbar on its own Node.
set -- /usr/lib/busbar/app/daemon-cli-main.js "$@"
# On a gateway memory is dear: packaging/README.md of the source tells what each flag is worth. The bridge has a server.
if [ "$2" != bridge ]; then
    export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
    export MALLOC_TRIM_THRESHOLD_="${MALLOC_TRIM_THRESHOLD_:-131072}"
    export MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_:-131072}"
    set -- --heap-growing-percent=10 --incremental-marking-hard-trigger=25 --v8-pool-size=1 --max-semi-space-size=1 --max-old-space-size=128 --optimize-for-size --no-maglev "$@"
fi
exec /usr/lib/busbar/bin/node "$@"

/** Preloaded (`--import`): the status thread of this process is as slow to start as on a machine that has no time for it. */
import { threadName } from "node:worker_threads";

const SLOW_MS = 6000;

if (threadName === "status") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SLOW_MS);

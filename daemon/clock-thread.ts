/**
 * Asks every few seconds whether the system clock may be believed, says so once, ends. A thread of its own, alive only
 * while the clock is not true: starting a process stalls the thread that does it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort } from "node:worker_threads";
import { clockIsTrusted } from "./clock-trust.ts";

const ASK_MS = 2000;

while (!(await clockIsTrusted(Date.now()))) await sleep(ASK_MS);
parentPort?.postMessage("trusted");

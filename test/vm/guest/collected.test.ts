import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { addVcan, ip, NOT_GUEST } from "./can.ts";

const NAME = "vcan4";
const PROGRAM = fileURLToPath(new URL("collected.ts", import.meta.url));

test("a bus that is stopped may be garbage at once", { skip: NOT_GUEST, timeout: 60_000 }, (t) => {
  addVcan(NAME);
  t.after(() => ip("del", NAME));
  // glibc overwrites all that is freed, at once: who uses it still does not get away with it.
  const env = { ...process.env, GLIBC_TUNABLES: "glibc.malloc.tcache_count=0:glibc.malloc.perturb=165" };
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["--expose-gc", PROGRAM, NAME, "20"], {
    env,
    encoding: "utf8",
  });
  assert.deepEqual({ status, signal, stdout }, { status: 0, signal: null, stdout: "20 rounds\n" }, stderr);
});

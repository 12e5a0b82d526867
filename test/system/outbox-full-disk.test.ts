/** A volume that others fill under the outbox: it must not jam, and goes on within the space it has. Needs root. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Outbox } from "../../store-forward/outbox/outbox.ts";
import { all, batch, defaults, FakeClock, give, MIB, parsed, samplesIn } from "../store-forward/outbox/support.ts";

/** A tmpfs of 16 MiB, or undefined with the reason printed. */
function smallVolume(t: TestContext): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), "busbar-full-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", dir], { encoding: "utf8" });
  t.after(() => {
    spawnSync("umount", ["-l", dir]);
    rmSync(dir, { recursive: true });
  });
  if (mounted.status === 0) return dir;
  t.skip(`mount -t tmpfs does not work here: ${mounted.stderr ?? mounted.error?.message}`);
  return undefined;
}

test("ENOSPC: the newest data is still committed, the oldest goes under a gap, acknowledgements still free space", (t) => {
  const dir = smallVolume(t);
  if (dir === undefined) return;
  const clock = new FakeClock();
  const outbox = new Outbox({
    ...defaults(join(dir, "outbox.db"), clock, []),
    budget: { maxBytes: 64 * MIB, minFreeBytes: 0 },
  });
  outbox.open();
  t.after(() => outbox.close());
  let given = 0;
  const put = (): boolean => {
    give(outbox, ...Array.from({ length: 60 }, () => batch(clock.wall, [1, randomBytes(700).toString("base64")])));
    given += 60;
    clock.pass(4000);
    return outbox.commit({ seal: true });
  };
  for (let i = 0; i < 20; i++) assert.equal(put(), true);
  const { bavail, bsize } = statfsSync(dir);
  writeFileSync(join(dir, "filler"), Buffer.alloc(bavail * bsize - 64 * 1024, 1));
  for (let i = 0; i < 120; i++) assert.equal(put(), true, `put ${i}: ${outbox.status().error}`);
  assert.equal(outbox.status().state, "ok");
  const { full } = outbox.status().drops;
  assert.ok(full > 0);
  assert.equal(samplesIn(parsed(outbox, "t")).length, given - full);

  for (const record of all(outbox, "t")) outbox.ack("t", record);
  assert.equal(outbox.commit({ final: true }), true);
  assert.deepEqual(
    parsed(outbox, "c").map(({ gap }) => [gap?.c, gap?.reason, gap?.samples]),
    [["t", "full", full]],
  );
  rmSync(join(dir, "filler"));
  for (let i = 0; i < 60; i++) assert.equal(put(), true);
  assert.equal(outbox.status().drops.full, full, "space is back: nothing is dropped any more");
});

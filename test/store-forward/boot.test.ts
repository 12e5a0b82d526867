import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  type BootState,
  BUILD_DATE_MS,
  MAX_BOOT,
  nextBoot,
  readBootFile,
  writeBootFile,
} from "../../store-forward/boot.ts";

const STATE: BootState = { boot: 17, epoch: "k3f9a1c2", wallMs: 5000, oldestMs: 4000, acked: { c: 1, t: 2, b: 0 } };

test("reads what it wrote, over an older one, and leaves no draft", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-boot-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "outbox.db.boot");
  writeBootFile(path, { ...STATE, boot: 16 });
  writeFileSync(`${path}.tmp`, "a draft that a power cut left");
  writeBootFile(path, STATE);
  assert.deepEqual(readBootFile(path), STATE);
  assert.deepEqual(readdirSync(dir), ["outbox.db.boot"]);
});

test("whatever else stands there is no state", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-boot-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "boot");
  writeBootFile(path, STATE);
  const good = readFileSync(path, "utf8");
  const bad = [
    "",
    "null",
    "[]",
    "{",
    good.slice(0, -4),
    good.replace("17", '"17"'),
    good.replace("k3f9a1c2", "K3F9A1C2"),
  ];
  bad.push(
    good.replace("17", "-1"),
    good.replace("17", "1e300"),
    good.replace("17", String(MAX_BOOT)),
    good.replace('"t":2', '"t":null'),
    "\0".repeat(200),
  );
  for (const text of bad) {
    writeFileSync(path, text);
    assert.equal(readBootFile(path), undefined, text);
  }
  assert.equal(readBootFile(dir), undefined);
});

test("boot: counted; without the file the clock, the build date or what is stored, whichever is most", () => {
  const clockMs = BUILD_DATE_MS + 86_400_000;
  assert.equal(nextBoot(STATE, 0, clockMs), 18);
  assert.equal(nextBoot(STATE, 90, clockMs), 91);
  assert.equal(nextBoot(undefined, 0, clockMs), clockMs / 1000);
  assert.equal(nextBoot(undefined, 0, 0), BUILD_DATE_MS / 1000);
  assert.equal(nextBoot(undefined, 2 ** 31, clockMs), 2 ** 31 + 1);
});

test("boot: no clock and no file makes a number that a datagram has no room for", () => {
  for (const year of [1970, 2026, 2105, 2107, 2500, 9999]) {
    const boot = nextBoot(undefined, 0, Date.UTC(year, 0, 1));
    assert.ok(boot >= BUILD_DATE_MS / 1000 && boot < MAX_BOOT, `${year}: ${boot}`);
  }
});

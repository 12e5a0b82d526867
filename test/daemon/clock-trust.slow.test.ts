import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { clockIsTrusted, MACHINE } from "../../daemon/clock-trust.ts";

const NOW_MS = Date.UTC(2030, 0, 1);
/** A Raspberry Pi in the middle of its boot, which has systemd-timedated started for it by way of D-Bus. */
const SLOW_S = 3;

describe("a timedatectl of the test's own, on PATH", () => {
  const path = process.env.PATH;
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "busbar-clock-"));
    process.env.PATH = `${dir}:${path}`;
  });
  afterEach(() => {
    process.env.PATH = path;
    rmSync(dir, { recursive: true });
  });

  function timedatectl(script: string): void {
    writeFileSync(join(dir, "timedatectl"), `#!/bin/sh\n${script}\n`);
    chmodSync(join(dir, "timedatectl"), 0o755);
  }
  const trusted = (): Promise<boolean> => clockIsTrusted(NOW_MS, { ...MACHINE, hasSystemd: () => true });

  for (const [answer, isTrusted] of [
    ["yes", true],
    ["no", false],
  ] as const) {
    test(`it takes ${SLOW_S} s to say ${answer}: that is waited for`, async () => {
      timedatectl(`[ "$*" = "show --property=NTPSynchronized --value" ] || exit 1\nsleep ${SLOW_S}\necho ${answer}`);
      assert.equal(await trusted(), isTrusted);
    });
  }

  test("it fails: not trusted, at once", async () => {
    timedatectl("echo yes; exit 1");
    assert.equal(await trusted(), false);
  });
});

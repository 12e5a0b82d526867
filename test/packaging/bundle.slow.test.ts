/** Packages that are loaded when they are needed: the bundle must give of them what Node gives. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { addonsOf } from "../../packaging/addons.ts";
import { archOf, ownArch } from "../../packaging/arch.ts";
import { bundle } from "../../packaging/bundle.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CAN = join(ROOT, "node_modules/socketcan/build/Release");
const NO_CAN = existsSync(CAN) ? false : "socketcan is not compiled (npm ci with g++, make and python3)";

test("the bundled CAN addon opens channels", { skip: NO_CAN, timeout: 60_000 }, async () => {
  const outDir = mkdtempSync(join(tmpdir(), "busbar-bundle-"));
  try {
    const arch = archOf(ownArch());
    await bundle({ root: ROOT, outDir, arch, addons: addonsOf(ROOT, arch, CAN) });
    const chunk = readdirSync(outDir).find((name) => {
      return name.endsWith(".js") && readFileSync(join(outDir, name), "utf8").includes("createRawChannelWithOptions");
    });
    const { default: addon } = await import(pathToFileURL(join(outDir, chunk as string)).href);
    assert.equal(typeof addon.createRawChannel, "function");
  } finally {
    rmSync(outDir, { recursive: true });
  }
});

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../examples", import.meta.url));
const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
/** What an app team has to install. */
const PACKAGES = ["kafkajs", "ws"];
const MOST_LINES = 160;

test("the examples can be copied: they import each other, Node, and two packages, and are short", () => {
  assert.ok(files.length > 10);
  const wrong: string[] = [];
  for (const name of files) {
    const text = readFileSync(join(FOLDER, name), "utf8");
    const lines = text.split("\n").length - 1;
    if (lines > MOST_LINES) wrong.push(`${name}: ${lines} lines`);
    for (const [, from] of text.matchAll(/\bfrom "([^"]+)";/g)) {
      const target = from!.startsWith(".") ? normalize(join(name, "..", from!)) : undefined;
      const isOurs = target !== undefined && files.includes(target) && isNear(name, target);
      if (!isOurs && !from!.startsWith("node:") && !PACKAGES.includes(from!)) wrong.push(`${name} imports ${from}`);
    }
  }
  assert.deepEqual(wrong, []);
});

/** Its own folder, or the common one. */
function isNear(name: string, target: string): boolean {
  return target.startsWith("common/") || target.split("/")[0] === name.split("/")[0];
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { entryName, findEntries, rewrite } from "../../packaging/sources.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

test("the entries are the command and every file that is started as a thread", () => {
  const entries = findEntries(ROOT);
  assert.equal(new Set(entries).size, entries.length);
  for (const entry of [
    "daemon/cli/main.ts",
    "daemon/clock-thread.ts",
    "daemon/status/thread.ts",
    "store-forward/thread.ts",
  ]) {
    assert.ok(entries.includes(entry), entry);
  }
});

test("a thread is looked for beside the bundled file that starts it", () => {
  const text = 'const url = new URL("../store-forward/thread.ts", import.meta.url);';
  assert.equal(
    rewrite("daemon/threads.ts", text),
    'const url = new URL("./store-forward-thread.js", import.meta.url);',
  );
  const split = 'new Worker(\n  new URL(\n    "./clock-thread.ts",\n    import.meta.url,\n  ),\n)';
  assert.match(rewrite("daemon/clock-watch.ts", split), /new URL\(".\/daemon-clock-thread\.js", import\.meta\.url\)/);
});

test("data is looked for where it lies below the bundle's folder", () => {
  const text = "readFileSync(new URL(file, import.meta.url)); dirname(fileURLToPath(import.meta.url))";
  const place = 'new URL("./daemon/status/http.ts", import.meta.url).href';
  assert.equal(
    rewrite("daemon/status/http.ts", text),
    `readFileSync(new URL(file, ${place})); dirname(fileURLToPath(${place}))`,
  );
  // What the rewritten expression means, for a bundle in /app.
  const url = new URL("page.html", new URL("./daemon/status/http.ts", "file:///app/chunk-1.js").href);
  assert.equal(url.href, "file:///app/daemon/status/page.html");
});

test("an entry's name tells its path and no two paths share one", () => {
  assert.equal(entryName("daemon/status/thread.ts"), "daemon-status-thread");
  const names = findEntries(ROOT).map(entryName);
  assert.equal(new Set(names).size, names.length);
});

/**
 * How code finds its worker threads and its data in the bundle: by the same lines as in the checkout. All bundled code
 * lies in one folder; what it finds through `import.meta.url` is answered from there:
 *
 * - `new URL("./thread.ts", import.meta.url)` names an entry of the bundle, which lies beside the file that asks;
 * - any other `import.meta.url` of `daemon/status/http.ts` is `daemon/status/http.ts` below that folder, where data files
 *   keep their place. The source itself is not there.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";

/** Folders whose code runs on the target. */
const FOLDERS = ["core", "config", "drivers", "store-forward", "daemon", "bridge"];
const MAIN = "daemon/cli/main.ts";
const ENTRY = /new URL\(\s*"(\.{1,2}\/[^"]+\.ts)",\s*import\.meta\.url\s*,?\s*\)/g;

/** `daemon/status/thread.ts` → `daemon-status-thread`, the entry's file in the bundle without `.js`. */
export function entryName(path: string): string {
  return path.replace(/\.ts$/, "").replaceAll("/", "-");
}

/** `path` is the file's place in the project. */
export function rewrite(path: string, text: string): string {
  const withEntries = text.replace(ENTRY, (_whole, target: string) => {
    return `new URL("./${entryName(resolve(path, target))}.js", import.meta["url"])`;
  });
  return (
    withEntries
      .replaceAll("import.meta.url", `new URL("./${path}", import.meta.url).href`)
      // What was written by the first replacement must not be replaced by the second.
      .replaceAll('import.meta["url"]', "import.meta.url")
  );
}

/** The command and every file that is started as a thread, as paths in the project, sorted. */
export function findEntries(root: string): string[] {
  const entries = new Set([MAIN]);
  for (const folder of FOLDERS) {
    for (const path of typescriptIn(root, folder)) {
      const text = readFileSync(join(root, path), "utf8");
      for (const [, target] of text.matchAll(ENTRY)) entries.add(resolve(path, target as string));
    }
  }
  return [...entries].sort();
}

function typescriptIn(root: string, folder: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts")).map((name) => `${folder}/${name}`);
}

function resolve(from: string, target: string): string {
  return posix.normalize(posix.join(dirname(from), target));
}

// Run after `npm install` changed package-lock.json. Takes out what ties the lock to one registry
// (`resolved`) and what makes an npm that runs on an older Node skip optional packages (`engines`):
// the scripts run on the Node that node_modules/.bin brings, not on npm's own.
import { readFileSync, writeFileSync } from "node:fs";

const path = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(path, "utf8"));
for (const [name, entry] of Object.entries(lock.packages)) {
  delete entry.resolved;
  if (name !== "") delete entry.engines;
}
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);

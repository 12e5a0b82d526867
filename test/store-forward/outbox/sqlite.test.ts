import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { faultOf, openSqlite, PAGE_BYTES } from "../../../store-forward/outbox/sqlite.ts";

test("every open is WAL at FULL, for one process; the second learns why not", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-sqlite-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "a.db");
  for (let open = 0; open < 2; open++) {
    const db = openSqlite(path);
    const settings = ["journal_mode", "synchronous", "locking_mode", "page_size"].map((name) =>
      db.pragma(name, { simple: true }),
    );
    assert.deepEqual(settings, ["wal", 2, "exclusive", PAGE_BYTES]);
    db.exec(`CREATE TABLE t${open}(a)`);
    assert.throws(
      () => openSqlite(path),
      (error) => faultOf(error) === "unwritable",
    );
    db.close();
  }
});

/** Stream b, end to end in the storage thread: it goes last, and over a metered link it waits; critical never does. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { PackedBatches } from "../../core/pack-reader.ts";
import { parseRecord } from "../../core/record.ts";
import { Acks } from "../../store-forward/outbox/acks.ts";
import { hardwareHash } from "../../store-forward/outbox/hardware.ts";
import { Reader, sumsOf } from "../../store-forward/outbox/reader.ts";
import { encodeRow } from "../../store-forward/outbox/rows.ts";
import { ENCODER } from "../../store-forward/outbox/seal.ts";
import { openSqlite } from "../../store-forward/outbox/sqlite.ts";
import { Store } from "../../store-forward/outbox/store.ts";
import { batch, bench, GATEWAY, give, packed, T0 } from "../store-forward/outbox/support.ts";
import { answerPublish, RawServer } from "../store-forward/uplink/raw-server.ts";
import { recordsOf, soon } from "../store-forward/uplink/rig.ts";
import { StorageRun } from "../support/storage-run.ts";

const WAIT_MS = 10_000;
const BULK = 3;

/** An outbox with bulk records and one of telemetry, as a source of raw frames would leave it behind. No source is one yet. */
function stored(t: TestContext): string {
  const { path, open } = bench(t);
  const outbox = open({ hardware: hardwareHash(GATEWAY) });
  give(outbox, batch(T0, [1, 1]));
  outbox.commit({ seal: true, final: true });
  outbox.close();
  const store = new Store(openSqlite(path));
  const epochs = store.epochs();
  const { n } = epochs[0]!;
  const known = new Map(epochs.map((epoch) => [epoch.n, epoch]));
  const reader = new Reader({ store, acks: new Acks(), gateway: GATEWAY, epochs: known, onCorrupt: () => undefined });
  store.transaction(() => {
    for (let at = 0; at < BULK; at++) {
      const raw = packed(batch(T0 + at, [2, at])).bytes;
      const times = { t_min: T0 + at, t_max: T0 + at };
      const about = { stream: "b", boot: store.newestBoot(), sync: 1, ...times } as const;
      const row = store.addPacked(encodeRow({ ...about, samples: 1 }, raw));
      const draft = {
        ...about,
        epoch: n,
        seq_from: at + 1,
        row_from: row,
        row_to: row,
        sealed_ms: T0,
        encoder: ENCODER,
      };
      const { records } = reader.build(draft, new PackedBatches([raw]));
      store.addSeal({ ...draft, seq_to: at + 1, sums: sumsOf(records) });
    }
    store.setMark({ epoch: n, stream: "b", next: BULK + 1, acked: 0 });
  });
  store.close();
  return path;
}

function event(type: string) {
  return { type: "critical", kind: "event", t0: T0, body: `"event":{"type":"${type}"}` } as const;
}

for (const link of ["metered", "unmetered"] as const) {
  test(`over a ${link} link bulk ${link === "metered" ? "waits" : "goes last"}, critical goes at once`, async (t) => {
    const path = stored(t);
    await using server = await RawServer.start({ onPublish: (publish) => answerPublish(publish) });
    const arrived = () => server.publishes.filter(({ topic }) => /\/(data|event)\//.test(`${topic}/`));
    const run = new StorageRun(t, { path, uplink: { url: server.url, link, rate_limit: { messages: 2 } } });
    await soon("the uplink is up", () => run.uplink?.state === "up", WAIT_MS);
    // The rate is two records a second: only what never waits is here before it allows more.
    for (let at = 0; at < 5; at++) run.post(event(`e${at}`));
    await soon("critical is through", () => run.outbox?.streams.c.acked === 5, WAIT_MS);
    assert.ok((run.outbox?.streams.b.acked ?? BULK) < BULK, "bulk is not");
    await soon("telemetry is through", () => run.outbox?.streams.t.acked === 1, WAIT_MS);
    if (link === "unmetered") {
      await soon("nothing waits", () => run.outbox?.waiting === 0, WAIT_MS);
      const streams = recordsOf(arrived().map((one) => ({ ...one, dup: false }))).map(
        ({ plain }) => parseRecord(plain).c,
      );
      assert.deepEqual(
        streams.filter((stream) => stream !== "c"),
        ["t", "b", "b", "b"],
      );
      return;
    }
    assert.deepEqual(run.outbox?.streams.b, { next: BULK + 1, acked: 0 });
    assert.equal(run.outbox?.waiting, BULK);
    await soon("what is deferred on purpose is no backlog", () => run.uplink?.backlog === false, WAIT_MS);
  });
}

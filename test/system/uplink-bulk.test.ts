/** Stream b, end to end in the storage thread: it goes last, and over a metered link it waits; critical never does. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { parseRecord } from "../../core/record.ts";
import { hardwareHash } from "../../store-forward/outbox/hardware.ts";
import { batch, bench, GATEWAY, give, storeBulk, T0 } from "../store-forward/outbox/support.ts";
import { answerPublish, RawServer } from "../store-forward/uplink/raw-server.ts";
import { recordsOf, soon } from "../store-forward/uplink/rig.ts";
import { StorageRun } from "../support/storage-run.ts";

const WAIT_MS = 10_000;
const BULK = 3;

/** An outbox with bulk records and one of telemetry. */
function stored(t: TestContext): string {
  const { path, open } = bench(t);
  const outbox = open({ hardware: hardwareHash(GATEWAY) });
  give(outbox, batch(T0, [1, 1]));
  outbox.commit({ seal: true, final: true });
  outbox.close();
  storeBulk(path, ...Array.from({ length: BULK }, (_, at) => [batch(T0 + at, [2, at])]));
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

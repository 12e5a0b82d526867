/** What gateways and others may publish, each thing wrong in turn: it is a dead letter, and the stream goes on. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { crc32, zstdCompressSync } from "node:zlib";
import { Holdings } from "../../bridge/holdings.ts";
import { encodeRecords } from "../../bridge/kafka/records.ts";
import { planBatch } from "../../bridge/plan.ts";
import { sealRecord } from "../../core/record.ts";
import { uplinkPrefix } from "../../core/topics.ts";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { recordBytes } from "../bridge/records.ts";
import { auditOf } from "./audit-run.ts";
import { startKafka } from "./kafka.ts";
import { type LineOptions, startLine } from "./line.ts";
import { NO_RIG } from "./rig.ts";
import { becomes, publishRange } from "./trouble.ts";

const skip = NO_RIG;
const GW = "gw-1";
const HEAD = { v: 1, gw: GW, epoch: "k3f9a1c2", c: "c", seq: 1, boot: 17, sync: true, birth: "164043ef", t0: 1000 };
const GAP = { c: "t", epoch: "k3f9a1c2", from: 1, to: 5, samples: null, reason: "full", t0: 0, t1: 0 };
const SOUND: Readonly<Record<string, object>> = {
  "data/meter-1": { ...HEAD, k: "data", asset: "meter-1", c: "t", g: [{ t: [0], s: { a: [1] } }] },
  "event/meter-1": { ...HEAD, k: "event", asset: "meter-1", event: { type: "x" } },
  "session/meter-1": { ...HEAD, k: "session", asset: "meter-1", session: { sid: `${GW}/meter-1/x-1`, rev: 1 } },
  gap: { ...HEAD, k: "gap", gap: GAP },
  time: { ...HEAD, k: "time", time: { boot: 17, offset_ms: 4 } },
};
const WRONG: readonly unknown[] = [
  ...[undefined, null, true, "", "x", "__proto__", "constructor", "\0", "\ud800", "x".repeat(100_000)],
  ...[0, -1, -0, 1.5, 1e308, 2 ** 53, 2 ** 53 - 1],
  ...[[], {}, [null], [[]], ["k3f9a1c2"], [["k3f9a1c2"]], ["164043ef"], ["t"], [GW], { toString: "x" }, { length: 5 }],
  JSON.parse('{"__proto__":{"length":1}}'),
];
let cluster: KafkaCluster;
before(async () => {
  if (skip === false) cluster = await startKafka({ nodes: 1 });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

/** With a checksum that holds. */
function sealed(record: object): Buffer {
  const text = JSON.stringify(record).slice(0, -1);
  return Buffer.from(`${text},"crc":"${crc32(text).toString(16).padStart(8, "0")}"}`);
}

/** The places of all members, at any depth. */
function placesIn(value: unknown): string[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [[key], ...placesIn(inner).map((rest) => [key, ...rest])]);
}

function withWrong(record: object, place: readonly string[], wrong: unknown): object {
  const copy = structuredClone(record) as Record<string, unknown>;
  let holder = copy;
  for (const key of place.slice(0, -1)) holder = holder[key] as Record<string, unknown>;
  holder[place.at(-1) as string] = wrong;
  return copy;
}

/** An event of so many bytes before compression. */
function large(seq: number, bytes: number): Buffer {
  const header = { k: "event", gw: GW, asset: "meter-1", epoch: "k3f9a1c2", c: "c", seq, boot: 1, sync: true } as const;
  return sealRecord({ ...header, birth: "164043ef", t0: 1 }, `"event":{"type":"x","pad":"${" ".repeat(bytes - 300)}"}`);
}

test("a record with any member wrong is written once or is a dead letter, and never throws", () => {
  for (const [tail, record] of Object.entries(SOUND)) {
    for (const place of placesIn(record)) {
      for (const wrong of WRONG) {
        const arrival = { topic: `${uplinkPrefix(GW)}/${tail}`, payload: sealed(withWrong(record, place, wrong)) };
        for (const values of ["record", "sample"] as const) {
          const what = `${tail} ${place.join(".")} = ${JSON.stringify(wrong)?.slice(0, 40)} (${values})`;
          const holdings = new Holdings();
          assert.doesNotThrow(() => {
            const plan = planBatch([arrival, arrival], holdings, { values });
            for (const messages of plan.messages.values()) encodeRecords(messages);
            const { records, duplicates, dead } = plan.counts;
            const letters = Object.values(dead).reduce((sum, count) => sum + count, 0);
            assert.deepEqual(
              records === 1 ? [duplicates, letters] : [records, letters],
              records === 1 ? [1, 0] : [0, 2],
            );
          }, what);
        }
      }
    }
  }
});

test("what a few bytes unpack to is bounded: in a batch, in a record's samples, in a gateway's progress", () => {
  const at = (tail: string, payload: Buffer) => ({ topic: `${uplinkPrefix(GW)}/${tail}`, payload });
  const bombs = Array.from({ length: 100 }, (_, i) => at("event/meter-1", zstdCompressSync(large(i + 1, 1 << 20))));
  const plan = planBatch(bombs, new Holdings(), { values: "record" });
  assert.ok(
    plan.counts.records >= 16 && plan.counts.records < 20,
    `${plan.counts.records} of 1 MiB in one transaction`,
  );
  assert.deepEqual(plan.rest, bombs.slice(plan.counts.records));

  const zeros = Array.from({ length: 5000 }, () => 0);
  const groups = [
    { t: zeros, s: { ["n".repeat(20_000)]: zeros } },
    { t: zeros.map(() => "a".repeat(100)), s: { n: zeros } },
    { t: [0], s: { n: [1, 2] } },
  ];
  for (const g of groups) {
    const record = at("data/meter-1", sealed({ ...SOUND["data/meter-1"], g: [g] }));
    assert.deepEqual(planBatch([record], new Holdings(), { values: "sample" }).counts.dead, { malformed: 1 });
  }

  const holdings = new Holdings();
  const gap = (i: number) =>
    sealed({ ...SOUND.gap, seq: i + 1, gap: { ...GAP, from: 2 ** 50 + 3 * i, to: 2 ** 50 + 3 * i } });
  const gaps = Array.from({ length: 5000 }, (_, i) => at("gap", gap(i)));
  assert.deepEqual(planBatch(gaps, holdings, { values: "record" }).counts.dead, { too_many_holes: 904 });
  assert.equal(planBatch(gaps.slice(0, 10), holdings, { values: "record" }).counts.duplicates, 10);
  for (let epoch = 0; epoch < 16; epoch++) {
    const record = (i: number) => ({ ...SOUND["data/meter-1"], epoch: `aaaaaa${epoch + 10}`, seq: 2 ** 50 + 3 * i });
    const holes = Array.from({ length: 4096 }, (_, i) => at("data/meter-1", sealed(record(i))));
    const value = planBatch(holes, holdings, { values: "record" }).messages.get("progress")?.[0]?.value ?? "";
    assert.ok(value.length <= 1024 ** 2, `${value.length} bytes of progress`);
  }
});

async function garbage(options: Omit<LineOptions, "cluster">): Promise<void> {
  await using line = await startLine({ cluster, ...options });
  await line.bridge.start();
  await line.ready();
  const { publisher } = line;
  const prefix = uplinkPrefix(GW);
  // What does not compress.
  const long = (): string => `${prefix}/ä/${randomBytes(30_000).toString("hex")}`;
  const nested = `[${"[".repeat(50_000)}${"]".repeat(50_000)}]`;
  const deep = sealRecord(
    {
      k: "data",
      gw: GW,
      asset: "meter-1",
      epoch: "deepdeep",
      c: "t",
      seq: 1,
      boot: 1,
      sync: true,
      birth: "164043ef",
      t0: 1,
    },
    `"g":[{"t":[0],"s":{"a":[${nested}]}}]`,
  );
  const payloads: Buffer[] = [
    deep,
    zstdCompressSync(Buffer.alloc(1 << 28)),
    Buffer.alloc(0),
    Buffer.from("BZ1"),
    Buffer.from("{"),
  ];
  payloads.push(
    sealed({ ...SOUND["data/meter-1"], epoch: ["k3f9a1c2"] }),
    zstdCompressSync(recordBytes({ seq: 5 })).subarray(0, 60),
  );
  payloads.push(Buffer.from([...Buffer.from("BZ1"), 1, 2, 3, 4, 5]), randomBytes(20 * 1024 ** 2));
  let seq = 0;
  for (const payload of payloads) {
    await publisher.publishAsync(`${prefix}/data/meter-1`, payload, { qos: 1, retain: payload.length % 2 === 1 });
    await publishRange(line, seq + 1, seq + 5);
    await publisher.publishAsync(`${prefix}/data/meter-1`, recordBytes({ seq: seq + 6 }), { qos: 0 });
    await publishRange(line, seq + 2, seq + 7);
    seq += 7;
  }
  await Promise.all(Array.from({ length: 100 }, () => publisher.publishAsync(long(), "", { qos: 1 })));
  for (let i = 0; i < 40; i++) await line.publish(GW, "event/meter-1", zstdCompressSync(large(i + 1, 1 << 20)));
  await publishRange(line, seq + 1, seq + 10);
  await line.arrived("telemetry", seq + 10 + (options.kafka?.values === "sample" ? 0 : 1));
  await line.arrived("events", 40);
  const letters = await line.read("deadletter");
  assert.ok(letters.filter(({ headers }) => headers.reason === "topic").length >= 100);
  const v4 = options.mqtt?.protocol === "3.1.1";
  // MQTT 5 has the server keep to itself what is larger than we take.
  assert.deepEqual(letters.filter(({ headers }) => headers.cut_from !== undefined).length, v4 ? 1 : 0);
  await becomes(line, "ok");
  const seen = (await line.read("telemetry")).filter(({ headers }) => headers.epoch !== "deepdeep");
  assert.deepEqual(
    seen.map(({ headers }) => Number(headers.seq)),
    Array.from({ length: seq + 10 }, (_, i) => i + 1),
  );
  const { code, stdout } = await auditOf(line.bridge.configFile);
  assert.equal(code, 0, stdout);
}

test("garbage of every kind through MQTT 5", { skip }, () =>
  garbage({ name: "garbage5", kafka: { values: "sample" } }),
);

test("garbage of every kind through MQTT 3.1.1, which knows no largest packet", { skip }, () =>
  garbage({ name: "garbage4", mqtt: { protocol: "3.1.1" } }),
);

import assert from "node:assert/strict";
import { test } from "node:test";
import { Controls } from "../../../store-forward/uplink/controls.ts";
import { limitsOf } from "../../../store-forward/uplink/limits.ts";
import type { Publish } from "../../../store-forward/uplink/publisher.ts";
import { RecordTopics } from "../../../store-forward/uplink/record-topics.ts";

function controls(properties?: Readonly<Record<string, unknown>>) {
  const published: Publish[] = [];
  const of = new Controls({ limits: limitsOf(properties), publish: (publish) => published.push(publish) });
  const done: string[] = [];
  for (const topic of ["birth", "state"])
    of.add({ topic, payload: Buffer.from(topic), done: (code) => done.push(`${topic} ${code}`) });
  return { of, published, done };
}

test("they leave one by one, in their order, retained at QoS 1, and are under way until answered", () => {
  const { of, published, done } = controls();
  assert.deepEqual([of.inFlight, of.oldestSentMs], [0, undefined]);
  assert.deepEqual([of.sendNext(10), of.sendNext(20), of.sendNext(30)], [true, true, false]);
  assert.deepEqual(
    published.map(({ topic, qos, retain }) => [topic, qos, retain]),
    [
      ["birth", 1, true],
      ["state", 1, true],
    ],
  );
  assert.deepEqual([of.inFlight, of.oldestSentMs], [2, 10]);
  published[0]?.done?.(0x87);
  assert.deepEqual([of.inFlight, of.oldestSentMs], [1, 20]);
  published[1]?.done?.(0);
  assert.deepEqual([of.inFlight, of.oldestSentMs], [0, undefined]);
  assert.deepEqual(done, ["birth 135", "state 0"]);
});

test("a server that keeps nothing is asked to keep nothing (MQTT 5 3.2.2.3.5)", () => {
  const { of, published } = controls({ retainAvailable: false });
  of.sendNext(0);
  assert.equal(published[0]?.retain, false);
});

test("a record's topic is that of its kind and asset, and the same string for all samples of one asset", () => {
  const topics = new RecordTopics("busbar/v1/d8/depot");
  assert.equal(topics.of({ kind: "data", asset: "a" }), "busbar/v1/d8/depot/data/a");
  assert.equal(topics.of({ kind: "event", asset: "a" }), "busbar/v1/d8/depot/event/a");
  assert.equal(topics.of({ kind: "data", asset: "a" }), "busbar/v1/d8/depot/data/a");
  assert.equal(topics.of({ kind: "data", asset: "b" }), "busbar/v1/d8/depot/data/b");
  assert.equal(topics.of({ kind: "gap" }), "busbar/v1/d8/depot/gap");
});

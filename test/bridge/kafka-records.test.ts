import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { encodeRecords, type Outgoing } from "../../bridge/kafka/records.ts";
import { MESSAGES } from "./outgoing.ts";

// kafkajs's own encoder of a record is the reference for ours.
const require = createRequire(import.meta.url);
const kafkajsRecord = require("kafkajs/src/protocol/recordBatch/record/v0") as (record: object) => { buffer: Buffer };

test("records are written as kafkajs writes them, byte by byte", () => {
  const expected = MESSAGES.map((message, offsetDelta) => {
    return kafkajsRecord({ ...message, headers: message.headers ?? {}, offsetDelta, timestampDelta: 0 }).buffer;
  });
  assert.deepEqual(encodeRecords(MESSAGES), Buffer.concat(expected));
  const many = Array.from({ length: 300 }, () => MESSAGES[0] as Outgoing);
  const counted = many.map(
    (message, offsetDelta) => kafkajsRecord({ ...message, offsetDelta, timestampDelta: 0 }).buffer,
  );
  assert.deepEqual(encodeRecords(many), Buffer.concat(counted));
});

test("records that are kept are not written over by the next", () => {
  const kept = encodeRecords(MESSAGES, true);
  const passing = encodeRecords(MESSAGES, false);
  assert.deepEqual(passing, kept);
  encodeRecords(MESSAGES.slice(3), false);
  assert.deepEqual(kept, encodeRecords(MESSAGES));
  assert.notDeepEqual(passing, kept);
});

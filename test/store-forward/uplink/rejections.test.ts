import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogEntry, Logger } from "../../../core/log.ts";
import { uplinkConfig } from "../../../store-forward/config.ts";
import type { Rejection } from "../../../store-forward/uplink/options.ts";
import { Rejections } from "../../../store-forward/uplink/rejections.ts";

const URL = "mqtt://127.0.0.1:1883";
const RECORD = { stream: "t", epoch: "k3f9a1c2", seq: 7 } as const;
const NAME = "stream t record k3f9a1c2/7";

function rejections(onRejected?: (rejection: Rejection) => boolean) {
  const logged: LogEntry[] = [];
  const log = new Logger("uplink", (entry) => logged.push(entry));
  const config = uplinkConfig.parse({ url: URL });
  return { logged, of: new Rejections({ log, config, ...(onRejected === undefined ? {} : { onRejected }) }) };
}

test("reasons that say the record itself is wrong give it up; every other holds its stream", () => {
  const seen: Rejection[] = [];
  const { of } = rejections((rejection) => seen.push(rejection) > 0);
  const gone: number[] = [];
  for (let code = 0x80; code <= 0xff; code++) if (of.refused(RECORD, code) === "gone") gone.push(code);
  assert.deepEqual(gone, [0x90, 0x95, 0x99]);
  assert.deepEqual(
    seen.map(({ reasonCode }) => reasonCode),
    gone,
  );
  const text = `${NAME}: the topic is not accepted (0x90)`;
  assert.deepEqual(seen[0], { stream: "t", at: { epoch: "k3f9a1c2", seq: 7 }, reasonCode: 0x90, text });
});

test("what holds a stream is told with its remedy", () => {
  const { of } = rejections();
  assert.equal(of.held, undefined);
  assert.equal(of.refused(RECORD, 0x97), "held");
  assert.equal(of.held, `uplink ${URL}: ${NAME}: a quota is used up (0x97); raise the server's quota of this gateway`);
});

test("five closed connections and a missing receipt have no reason code, and words of their own", () => {
  const seen: Rejection[] = [];
  const { of } = rejections((rejection) => seen.push(rejection) > 0);
  assert.equal(of.closedOn(RECORD, 5), undefined);
  assert.equal(of.unreceipted(RECORD), true);
  assert.deepEqual(
    seen.map(({ reasonCode, text }) => [reasonCode, text]),
    [
      [undefined, `${NAME}: 5 connections were closed on it`],
      [undefined, `${NAME}: sent four times without a receipt`],
    ],
  );
});

test("dead letters that are missing, full or broken keep the record", () => {
  const broken = (): boolean => {
    throw new Error("disk gone");
  };
  for (const onRejected of [undefined, () => false, broken]) {
    const { of, logged } = rejections(onRejected);
    assert.equal(of.refused(RECORD, 0x90), "held");
    assert.equal(of.unreceipted(RECORD), false);
    assert.equal(of.closedOn(RECORD, 5), `${NAME}: 5 connections were closed on it; read the server's log`);
    assert.equal(logged.length, onRejected === broken ? 3 : 0);
  }
});

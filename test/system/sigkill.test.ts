import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { NO_MOSQUITTO } from "../support/broker.ts";
import { CLOUDS, startTrial } from "../support/trial.ts";

const KILLS = 6;

/** mulberry32: the moments of a run can be had again from its seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe("the gateway is killed at random moments", { concurrency: true }, () => {
  for (const [cloud, { mosquitto }] of Object.entries(CLOUDS)) {
    const seed = Date.now() % 2 ** 31;
    test(`${cloud}: all that it told to be durable arrives (seed ${seed})`, {
      skip: mosquitto && NO_MOSQUITTO,
    }, async () => {
      const random = seeded(seed);
      await using trial = await startTrial(cloud, { uplink: { publish_interval: "1 s" } });
      for (let kill = 0; kill < KILLS; kill++) {
        await sleep(2000 + random() * 3000);
        assert.equal(await trial.gateway.end("SIGKILL"), null);
        await trial.gateway.start();
      }
      await sleep(4000);
      const verdict = await trial.conclude();
      assert.deepEqual(verdict.violations, []);
      assert.equal(trial.gateway.intervals.length, KILLS + 1);
      // Where many share the cores a boot may end before it has told anything.
      const told = trial.gateway.intervals.filter(({ from, until }) => until > from);
      assert.ok(told.length > KILLS / 2, `${told.length} boots told a durable_until`);
      assert.ok(verdict.samples > 500, `${verdict.samples} samples`);
    });
  }
});

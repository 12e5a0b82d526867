import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { NO_MOSQUITTO } from "../support/broker.ts";
import { CLOUDS, startTrial } from "../support/trial.ts";
import { until } from "../support/wait.ts";

const BEFORE_MS = 15_000;
const OUTAGE_MS = 60_000;
const BACK_MS = 2000;

/** Arrival times of the gateway's datagrams, and how many its counter says are missing. */
async function listenToFastPath() {
  const socket = createSocket("udp4");
  const times: number[] = [];
  let counter: number | undefined;
  let lost = 0;
  socket.on("message", (datagram) => {
    const now = datagram.readUInt32LE(20);
    if (counter !== undefined) lost += now - counter - 1;
    counter = now;
    times.push(Date.now());
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { port: socket.address().port, times, lost: () => lost, [Symbol.dispose]: () => socket.close() };
}

function perSecond(times: readonly number[], from: number, to: number): number {
  return times.filter((ts) => ts >= from && ts < to).length / ((to - from) / 1000);
}

describe("the cloud broker is gone for a minute", { concurrency: true }, () => {
  for (const [cloud, { mosquitto }] of Object.entries(CLOUDS)) {
    test(`${cloud}: nothing missing, doubled or invented`, { skip: mosquitto && NO_MOSQUITTO }, async () => {
      using fastPath = await listenToFastPath();
      await using trial = await startTrial(cloud, { fastPathTo: [`127.0.0.1:${fastPath.port}`] });
      const { broker, gateway, sim } = trial;
      await sleep(BEFORE_MS);
      const goneAt = Date.now();
      // Mosquitto keeps its state over an orderly stop only; the stand-in cloud logs before it acknowledges.
      await (mosquitto ? broker.stop() : broker.kill());
      await sleep(OUTAGE_MS);
      const down = await gateway.snapshot();
      assert.notEqual(down?.uplink?.state, "up");
      assert.match(down?.uplink?.error ?? "", /refused/);
      assert.ok((down?.outbox?.waiting ?? 0) > 50, `${down?.outbox?.waiting} records wait`);

      const backAt = Date.now();
      const arrivedBefore = broker.arrivals().length;
      await broker.start();
      await until("records flow again", () => broker.arrivals().length > arrivedBefore + 10, 20_000);
      const flowsAfterMs = Date.now() - backAt;
      const verdict = await trial.conclude();
      assert.deepEqual(verdict.violations, []);
      assert.deepEqual(verdict.gaps, []);
      assert.ok(verdict.samples > 2000, `${verdict.samples} samples`);
      // A broker's own start is in there, and these machines are shared.
      assert.ok(flowsAfterMs < BACK_MS + 5000, `records flowed ${flowsAfterMs} ms after the broker's return`);

      const served = sim
        .ledger()
        .split("\n")
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { ts: number }).ts);
      const rate = (times: readonly number[]) => ({
        up: perSecond(times, goneAt - 10_000, goneAt),
        down: perSecond(times, goneAt, goneAt + OUTAGE_MS),
      });
      for (const { up, down } of [rate(served), rate(fastPath.times)]) {
        assert.ok(
          Math.abs(down / up - 1) < 0.1,
          `${up.toFixed(1)} per second before, ${down.toFixed(1)} in the outage`,
        );
      }
      assert.equal(fastPath.lost(), 0);
    });
  }
});

/** Bridges die, freeze, come and go under load: nothing is missing in Kafka, and nothing is there twice. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { Random } from "../../hw-sim/random.ts";
import { until } from "../support/wait.ts";
import { startKafka } from "./kafka.ts";
import { allOwned, LONG, NO_RIG, startRig } from "./rig.ts";

const skip = NO_RIG;
const SEED = 5;
/** Issue 5: work goes on within 20 s of a SIGKILL and restart. */
const GOES_ON_MS = 20_000;
let kafka: KafkaCluster;
before(async () => {
  if (skip === false) kafka = await startKafka({ nodes: 1 });
});
after(async () => {
  await kafka?.[Symbol.asyncDispose]();
});

test("SIGKILL of the only bridge at random moments", { skip }, async () => {
  await using rig = await startRig({ kafka, name: "kill", bridges: 1 });
  const [bridge] = rig.bridges;
  const random = new Random(SEED, "kills");
  await rig.progress(200, GOES_ON_MS);
  for (let kill = 0; kill < 4 * LONG; kill++) {
    await bridge!.end("SIGKILL");
    await bridge!.start();
    await rig.progress(1, GOES_ON_MS);
    // Anywhere in its work: that is what the test is about.
    await sleep(random.next() * 1500);
  }
  await rig.conclude();
});

test("SIGKILL of two bridges in turn", { skip }, async () => {
  await using rig = await startRig({ kafka, name: "turns", bridges: 2 });
  await rig.progress(200, GOES_ON_MS);
  for (let turn = 0; turn < 2 * LONG; turn++) {
    const bridge = rig.bridges[turn % 2];
    await bridge!.end("SIGKILL");
    // What it owned is taken over by the other.
    await rig.progress(2000, 2 * GOES_ON_MS);
    await bridge!.start();
    await until("both share all partitions again", () => allOwned(rig.bridges), GOES_ON_MS);
  }
  await rig.conclude();
});

test("SIGSTOP, takeover, SIGCONT: a bridge that wakes up writes nothing any more", { skip }, async () => {
  await using rig = await startRig({ kafka, name: "frozen", bridges: 2 });
  await rig.progress(200, GOES_ON_MS);
  for (let turn = 0; turn < LONG; turn++) {
    const [frozen, other] = turn % 2 === 0 ? rig.bridges : [...rig.bridges].reverse();
    frozen!.freeze("SIGSTOP");
    await until("the other took all over", async () => (await other!.health())?.owned.length === 8, GOES_ON_MS);
    await rig.progress(500, GOES_ON_MS);
    frozen!.freeze("SIGCONT");
    await until("both share all partitions again", () => allOwned(rig.bridges), 2 * GOES_ON_MS);
  }
  await rig.conclude();
});

test("bridges come and go in order, under load", { skip }, async () => {
  await using rig = await startRig({ kafka, name: "moves", bridges: 3 });
  for (let move = 0; move < 3 * LONG; move++) {
    const bridge = rig.bridges[move % 3];
    assert.equal(await bridge!.end("SIGTERM"), 0, bridge!.stderr.slice(-2000));
    await rig.progress(300, GOES_ON_MS);
    await bridge!.start();
    await until("three share all partitions again", () => allOwned(rig.bridges), GOES_ON_MS);
  }
  await rig.conclude();
});

/** Kafka's leader, Mosquitto and the gateway die under load: nothing is missing in Kafka, and nothing is there twice. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { startKafka } from "./kafka.ts";
import { LONG, NO_RIG, type Rig, startRig } from "./rig.ts";

const skip = NO_RIG;
const GOES_ON_MS = 30_000;
let kafka: KafkaCluster;
before(async () => {
  if (skip === false) kafka = await startKafka({ nodes: 3 });
});
after(async () => {
  await kafka?.[Symbol.asyncDispose]();
});

test("SIGKILL of one of three Kafka nodes after the other: leaders move", { skip }, async () => {
  await using rig = await startRig({ kafka, name: "leaders", bridges: 2 });
  await rig.progress(200, GOES_ON_MS);
  for (let kill = 0; kill < 2 * LONG; kill++) {
    const node = 1 + (kill % 3);
    await kafka.kill(node, "SIGKILL");
    await rig.progress(500, 2 * GOES_ON_MS);
    await kafka.restart(node);
    await rig.progress(200, GOES_ON_MS);
  }
  await rig.conclude();
});

test("Mosquitto keeps its sessions on disk: SIGKILL takes the last second, an ordered stop nothing", {
  skip,
}, async () => {
  await using rig = await startRig({ kafka, name: "kept", bridges: 2, mosquitto: ["autosave_interval 1"] });
  await rig.progress(200, GOES_ON_MS);
  for (let end = 0; end < 2 * LONG; end++) {
    if (end % 2 === 0) await rig.broker.kill();
    else await rig.broker.stop();
    await rig.broker.start();
    await rig.progress(500, GOES_ON_MS);
  }
  await sendAgain(rig);
  await rig.conclude();
});

test("SIGKILL of a Mosquitto that forgets everything: receipts bring it back", { skip }, async () => {
  await using rig = await startRig({ kafka, name: "forgot", bridges: 2, mosquitto: ["persistence false"] });
  await rig.progress(200, GOES_ON_MS);
  for (let kill = 0; kill < 2 * LONG; kill++) {
    await rig.broker.kill();
    await rig.broker.start();
    await rig.progress(500, GOES_ON_MS);
  }
  await sendAgain(rig);
  await rig.conclude();
});

test("SIGKILL of the gateway", { skip }, async () => {
  await using rig = await startRig({ kafka, name: "gateway", bridges: 1 });
  for (let kill = 0; kill < 2 * LONG; kill++) {
    await rig.progress(500, GOES_ON_MS);
    await rig.gateway.end("SIGKILL");
    await rig.gateway.start();
  }
  await rig.progress(200, GOES_ON_MS);
  await rig.conclude();
});

/** The gateway sends again what has no receipt after five minutes; a start does it at once. */
async function sendAgain({ gateway }: Rig): Promise<void> {
  assert.equal(await gateway.end("SIGTERM"), 0, gateway.stderr.slice(-2000));
  await gateway.start();
}

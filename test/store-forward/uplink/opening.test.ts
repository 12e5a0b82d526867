import assert from "node:assert/strict";
import { test } from "node:test";
import { SystemClock } from "../../../core/clock.ts";
import { uplinkConfig } from "../../../store-forward/config.ts";
import { limitsOf, shortcomings } from "../../../store-forward/uplink/limits.ts";
import { Opening } from "../../../store-forward/uplink/opening.ts";
import type { UplinkOptions } from "../../../store-forward/uplink/options.ts";
import { MemoryQueue } from "../../support/memory-queue.ts";

interface Given {
  readonly first?: boolean;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly onRelease?: () => boolean;
}

/** An opening on a link that answers SUBSCRIBE when it is told to; what happened, in order. */
function opening({ first = false, properties, onRelease }: Given = {}) {
  const steps: string[] = [];
  const suback = Promise.withResolvers<readonly string[]>();
  const queue = new MemoryQueue();
  const clock = new SystemClock();
  clock.monoMs = () => 1234;
  const config = uplinkConfig.parse({ url: "mqtt://127.0.0.1:1883" });
  const uplink = { queue, clock, config, ...(onRelease === undefined ? {} : { onRelease }) } as Partial<UplinkOptions>;
  const of = new Opening({
    uplink: uplink as UplinkOptions,
    timing: { receiptWaitMs: 1, retryRefusedMs: 1 },
    link: {
      protocol: "5",
      limits: limitsOf(properties),
      fail: ({ message }) => steps.push(`failed: ${message}`),
      subscribe: (topics) => {
        steps.push(`subscribes ${topics.join()}`);
        return suback.promise;
      },
    },
    presence: { topics: ["receipt", "state"], announce: (births) => steps.push(`announces ${births.length}`) },
    first,
    onQueueError: (error) => steps.push(`queue: ${(error as Error).message}`),
    onWarning: (key, text) => steps.push(`${key}: ${text}`),
  });
  return { of, steps, suback, queue };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a process's first record waits for the SUBACK, later links' do not", async () => {
  const later = opening();
  assert.equal(await later.of.run(new AbortController().signal), true);
  assert.deepEqual(later.steps, ["subscribes receipt,state", "announces 1"]);
  assert.equal(later.of.subscribingMs, 1234, "it is still awaited");
  const { of, suback } = opening({ first: true });
  let done = false;
  const running = of.run(new AbortController().signal).finally(() => {
    done = true;
  });
  await turn();
  assert.equal(done, false);
  suback.resolve([]);
  assert.equal(await running, true);
  assert.equal(of.subscribingMs, undefined);
});

test("topics that the server refuses are named, and records flow all the same", async () => {
  const { of, steps, suback } = opening({ first: true });
  suback.resolve(["receipt"]);
  assert.equal(await of.run(new AbortController().signal), true);
  assert.equal(steps.at(-1), "subscribe: the server refuses to subscribe receipt; allow it");
});

test("an end of the link ends it: no record, no blame", async () => {
  const abort = new AbortController();
  const { of, steps, suback } = opening({ first: true });
  const running = of.run(abort.signal);
  abort.abort();
  suback.resolve(["receipt", "state"]);
  assert.equal(await running, false);
  assert.deepEqual(steps, ["subscribes receipt,state", "announces 1"]);
});

test("records wait until it is noted that they may leave", async () => {
  let asked = 0;
  const { of, steps } = opening({ onRelease: () => ++asked > 2 });
  assert.equal(await of.run(new AbortController().signal), true);
  assert.equal(asked, 3);
  assert.equal(steps.filter((step) => step === "release: records wait until the outbox can be written").length, 2);
});

test("a server without QoS 1 is of no use; births that cannot be read are told, and the rest goes on", async () => {
  const useless = opening({ properties: { maximumQoS: 0 } });
  assert.equal(await useless.of.run(new AbortController().signal), false);
  assert.equal(useless.steps.length, 1);
  assert.match(useless.steps[0] ?? "", /^failed: .*the quality of service is not supported/);
  const broken = opening();
  broken.queue.births = () => {
    throw new Error("disk gone");
  };
  assert.equal(await broken.of.run(new AbortController().signal), true);
  assert.deepEqual(broken.steps, ["subscribes receipt,state", "queue: disk gone", "announces 0"]);
});

test("what the server lacks is warned of only where it is asked for", () => {
  const told = (protocol: "5" | "3.1.1", properties: object, critical: number, telemetry: number): string[] =>
    shortcomings({ protocol, limits: limitsOf({ ...properties }) }, { critical, telemetry }).map(([key]) => key);
  assert.deepEqual(told("5", {}, 2, 2), []);
  assert.deepEqual(told("5", { maximumQoS: 1 }, 1, 1), []);
  assert.deepEqual(told("5", { maximumQoS: 1 }, 2, 1), ["qos"]);
  assert.deepEqual(told("5", { retainAvailable: false }, 2, 1), ["retain"]);
  assert.deepEqual(told("3.1.1", {}, 2, 1), []);
  assert.deepEqual(told("3.1.1", {}, 2, 2), ["qos"]);
});

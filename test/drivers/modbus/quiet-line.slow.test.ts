/**
 * A late reply that comes byte by byte, each before the line counts as quiet (20 ms): nobody else is asked until it is
 * through, on a machine that stands still now and then, too. The line is in memory, so that no network's own delays make
 * it quiet; bytes arrive as a socket's do, in the turn of the event loop after they were sent.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SystemClock } from "../../../core/clock.ts";
import { Logger } from "../../../core/log.ts";
import { runLine } from "../../../drivers/modbus/line.ts";
import type { Link, LinkEvents } from "../../../drivers/modbus/link.ts";
import { loadModbusProfile } from "../../../drivers/modbus/profile.ts";
import { slaveCrc } from "../../support/modbus-slave.ts";

const DRIBBLE_MS = 15;
const LATE_REPLIES = 3;
const STILL_MS = 30;
/** MBAP: transaction, protocol, length. */
const HEADER = 6;

/** Units 1 and 2 answer with zeros; the first replies of unit 1 come in single bytes. */
class SlowSlave implements Link {
  readonly requests: { readonly unit: number; readonly bytesToCome: number }[] = [];
  readonly #mbap: boolean;
  readonly #events: LinkEvents;
  readonly #timers = new Set<NodeJS.Timeout>();
  #late = 0;

  constructor(mbap: boolean, events: LinkEvents) {
    this.#mbap = mbap;
    this.#events = events;
  }

  write(frame: Uint8Array): boolean {
    const [unit = 0, fc = 0, , , , words = 0] = this.#mbap ? frame.subarray(HEADER) : frame;
    this.requests.push({ unit, bytesToCome: this.#timers.size });
    const reply = this.#framed(frame, Buffer.from([unit, fc, 2 * words, ...new Uint8Array(2 * words)]));
    const isLate = unit === 1 && this.#late < LATE_REPLIES;
    if (isLate) this.#late++;
    for (const [at, byte] of isLate ? reply.entries() : []) this.#later(DRIBBLE_MS * at, Buffer.from([byte]));
    if (!isLate) this.#later(1, reply);
    return true;
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #later(ms: number, bytes: Buffer): void {
    const timer = setTimeout(() => {
      setImmediate(() => {
        this.#timers.delete(timer);
        this.#events.onBytes(bytes);
      });
    }, ms);
    this.#timers.add(timer);
  }

  #framed(request: Uint8Array, adu: Buffer): Buffer {
    if (this.#mbap) return Buffer.concat([request.subarray(0, HEADER - 1), Buffer.from([adu.length]), adu]);
    const crc = slaveCrc(adu);
    return Buffer.concat([adu, Buffer.from([crc & 0xff, crc >> 8])]);
  }
}

/** Holds the event loop up. */
function spin(): void {
  const untilMs = performance.now() + STILL_MS;
  while (performance.now() < untilMs);
}

async function requestsOf(mbap: boolean): Promise<SlowSlave["requests"]> {
  const profile = loadModbusProfile("./test/fixtures/modbus/ten.yaml");
  const groups = profile.groups.map(({ name }) => ({ name, intervalMs: 50 }));
  const devices = [1, 2].map((unit) => ({ asset: `unit-${unit}`, unit, timeoutMs: 100, profile, groups }));
  const done = new AbortController();
  const good = new Map<string, number>();
  let slave: SlowSlave | undefined;
  const line = {
    ...{ label: "a line in memory", mbap, silentMs: 1.75, reopensOnSilence: false, devices },
    open: async (events: LinkEvents) => {
      slave = new SlowSlave(mbap, events);
      return slave;
    },
  };
  const report = (asset: string, error: Error | undefined): void => {
    if (error === undefined) good.set(asset, (good.get(asset) ?? 0) + 1);
    if ([...good.values()].filter((polls) => polls > 2).length === devices.length) done.abort();
  };
  const nothing = (): void => {};
  const log = new Logger("line", nothing);
  const context = { clock: new SystemClock(), log, number: () => 1, emit: nothing, lost: nothing };
  await runLine(line, { ...context, report }, AbortSignal.any([done.signal, AbortSignal.timeout(20_000)]));
  assert.ok(done.signal.aborted, "both units answer in the end");
  return slave?.requests ?? [];
}

for (const [kind, mbap] of [
  ["RTU", false],
  ["Modbus TCP", true],
] as const) {
  for (const busy of [false, true]) {
    test(`nobody is asked while bytes of a late reply come, ${kind}${busy ? ", busy machine" : ""}`, async () => {
      const load = busy ? setInterval(spin, STILL_MS + 11) : undefined;
      try {
        const requests = await requestsOf(mbap);
        assert.ok(requests.length > 2 * LATE_REPLIES);
        assert.deepEqual(
          requests.filter(({ bytesToCome }) => bytesToCome > 0),
          [],
        );
      } finally {
        clearInterval(load);
      }
    });
  }
}

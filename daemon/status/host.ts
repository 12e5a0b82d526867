import { statfs } from "node:fs/promises";
import { cpus, uptime } from "node:os";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { HOST_SIGNALS } from "./host-signals.ts";
import type { FromStatus, HostStatus } from "./protocol.ts";

const INTERVAL_MS = 10_000;
/** Broker, page and the first records come first: loading and starting the library keeps a small machine busy. */
const FIRST_MS = 2000;
/** Looking for a sensor starts up to four processes: where there was none, look again only every so many rounds. */
const SENSORLESS_ROUNDS = 60;
const MIB = 1024 ** 2;

export type HostSamples = Extract<FromStatus, { type: "host" }>["samples"];

/** What was read, each undefined where the machine does not tell: ratios 0 to 1, degrees Celsius, bytes. */
export interface HostReading {
  readonly cpu: number | undefined;
  readonly memory: number | undefined;
  readonly filesystem: number | undefined;
  readonly temperature: number | undefined;
  readonly rss: number;
}

/** Reads the host every 10 s until `signal` aborts. Runs on the status thread only: it spawns processes and blocks. */
export class HostHealth {
  readonly #storePath: string | undefined;
  readonly #onReading: (reading: HostReading) => void;
  readonly #load = new CpuLoad();
  #roundsToSensor = 0;

  constructor(storePath: string | undefined, onReading: (reading: HostReading) => void) {
    this.#storePath = storePath;
    this.#onReading = onReading;
  }

  /** Rejects with AbortError when `signal` aborts. */
  async run(signal: AbortSignal): Promise<never> {
    this.#load.ratio();
    await delay(FIRST_MS, undefined, { signal });
    for (;;) {
      const reading = await this.#read();
      signal.throwIfAborted();
      this.#onReading(reading);
      await delay(INTERVAL_MS, undefined, { signal });
    }
  }

  async #read(): Promise<HostReading> {
    const cpu = this.#load.ratio();
    const [memory, filesystem, temperature] = await Promise.all([
      memoryRatio(),
      filesystemRatio(this.#storePath),
      this.#temperature(),
    ]);
    return { cpu, memory, filesystem, temperature, rss: process.memoryUsage.rss() };
  }

  async #temperature(): Promise<number | undefined> {
    if (this.#roundsToSensor > 0) {
      this.#roundsToSensor--;
      return undefined;
    }
    const { cpuTemperature } = await import("systeminformation");
    const { main } = await cpuTemperature();
    const degrees = main === null || !Number.isFinite(main) ? undefined : round(main, 1);
    if (degrees === undefined) this.#roundsToSensor = SENSORLESS_ROUNDS;
    return degrees;
  }
}

/** The samples of the gateway asset; what is unknown is left out. */
export function hostSamples(reading: HostReading): HostSamples {
  const all: [string, number | undefined][] = [
    [HOST_SIGNALS.cpu, reading.cpu],
    [HOST_SIGNALS.memory, reading.memory],
    [HOST_SIGNALS.filesystem, reading.filesystem],
    [HOST_SIGNALS.temperature, reading.temperature],
    [HOST_SIGNALS.rss, reading.rss],
  ];
  return all.flatMap(([signal, value]) => (value === undefined ? [] : [{ signal, value }]));
}

export function hostStatus(reading: HostReading): HostStatus {
  return {
    cpu_percent: percent(reading.cpu),
    memory_used_percent: percent(reading.memory),
    temperature_c: reading.temperature ?? null,
    disk_used_percent: percent(reading.filesystem),
    rss_mib: round(reading.rss / MIB, 1),
    uptime_s: Math.round(uptime()),
  };
}

/** All processors' load between two looks. The library's own starts a shell and three processes for each. */
class CpuLoad {
  #busy = 0;
  #all = 0;

  /** Since the last call, at the first one since the machine's start; undefined where the system does not tell. */
  ratio(): number | undefined {
    let [busy, all] = [0, 0];
    for (const { times } of cpus()) {
      const working = times.user + times.nice + times.sys + times.irq;
      busy += working;
      all += working + times.idle;
    }
    const [busySince, since] = [busy - this.#busy, all - this.#all];
    this.#busy = busy;
    this.#all = all;
    return since > 0 ? round(busySince / since, 3) : undefined;
  }
}

async function memoryRatio(): Promise<number | undefined> {
  const { mem } = await import("systeminformation");
  const { active, total } = await mem();
  return total > 0 && Number.isFinite(active) ? round(active / total, 3) : undefined;
}

async function filesystemRatio(path: string | undefined): Promise<number | undefined> {
  if (path === undefined) return undefined;
  try {
    const { blocks, bfree, bavail } = await statfs(dirname(path));
    // As df(1): blocks reserved for root are neither used nor available.
    const used = blocks - bfree;
    return used + bavail > 0 ? round(used / (used + bavail), 3) : undefined;
  } catch {
    // The folder is not there yet, or not ours to see: the outbox itself reports that.
    return undefined;
  }
}

function percent(ratio: number | undefined): number | null {
  return ratio === undefined ? null : round(ratio * 100, 1);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

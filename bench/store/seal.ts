/** Packed rows into records: the encoder beside JSON.stringify of the finished objects. */

import { PackedBatches } from "../../core/pack-reader.ts";
import { compressRecord } from "../../core/record.ts";
import { Sealer } from "../../store-forward/outbox/seal.ts";
import { GATEWAY, handOffs, PUBLISH_INTERVAL_S, SAMPLES_PER_SECOND, signalTable } from "./load.ts";
import { between, ownUsage, type Usage } from "./usage.ts";

export const SEAL = "seal";
export const SEAL_ZSTD = "seal + zstd";
export const STRINGIFY = "bare JSON.stringify";
export const STRINGIFY_ZSTD = "bare JSON.stringify + zstd";

export interface Sealed extends Usage {
  readonly variant: string;
  readonly samples: number;
  readonly records: number;
  /** Payload. */
  readonly bytes: number;
}

interface Window {
  readonly rows: readonly Uint8Array[];
  readonly objects: readonly unknown[];
}

type Make = (window: Window, seq: number) => readonly Buffer[];

/** `windows` publish intervals, each of all assets. */
export function measureSeal(rounds: number, windows: number): Sealed[] {
  const { birthId, signals } = signalTable();
  const sealer = new Sealer({ gateway: GATEWAY, birthId, signals });
  const head = { epoch: "k3f9a1c2", stream: "t", boot: 1, sync: true } as const;
  const seal: Make = ({ rows }, firstSeq) => {
    return sealer.seal(new PackedBatches(rows), { ...head, firstSeq }).records.map(({ plain }) => plain);
  };
  const stringify: Make = ({ objects }) => objects.map((object) => Buffer.from(JSON.stringify(object)));
  const zstd =
    (make: Make): Make =>
    (window, seq) =>
      make(window, seq).map(compressRecord);
  const variants = [
    [STRINGIFY, stringify],
    [SEAL, seal],
    [STRINGIFY_ZSTD, zstd(stringify)],
    [SEAL_ZSTD, zstd(seal)],
  ] as const;
  const load = windowsOf(windows, seal);
  const measured: Sealed[] = [];
  for (let round = -1; round < rounds; round++) {
    for (let i = 0; i < variants.length; i++) {
      const [variant, make] = variants[(i + round + variants.length) % variants.length] as (typeof variants)[number];
      const one = measure(variant, make, load);
      // The first round is for the compiler.
      if (round >= 0) measured.push(one);
    }
  }
  return measured;
}

function windowsOf(count: number, seal: Make): Window[] {
  const offs = handOffs(count * PUBLISH_INTERVAL_S, Date.now());
  return Array.from({ length: count }, (_, i) => {
    const rows = offs.slice(i * PUBLISH_INTERVAL_S, (i + 1) * PUBLISH_INTERVAL_S).map(({ bytes }) => bytes);
    return { rows, objects: seal({ rows, objects: [] }, 1).map((plain) => JSON.parse(plain.toString()) as unknown) };
  });
}

function measure(variant: string, make: Make, load: readonly Window[]): Sealed {
  let [records, bytes] = [0, 0];
  const from = ownUsage();
  for (const window of load) {
    const made = make(window, records + 1);
    records += made.length;
    for (const { length } of made) bytes += length;
  }
  const samples = load.length * PUBLISH_INTERVAL_S * SAMPLES_PER_SECOND;
  return { variant, samples, records, bytes, ...between(from, ownUsage()) };
}

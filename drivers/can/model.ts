/** From a profile's or a configuration's signals and a DBC file to the asset and its frame decoders. */
import type { AssetSpec, SignalSpec } from "../../core/signals.ts";
import { type Crc8, crc8 } from "./checksum.ts";
import type { CanDeviceConfig } from "./config.ts";
import { compileSignal, type SignalDecoder } from "./dbc/compile.ts";
import type { Dbc, DbcMessage } from "./dbc/dbc.ts";
import { bitsOf } from "./dbc/extract.ts";
import { overlapsOf } from "./dbc/overlap.ts";
import type { CanProfile, CanProfileSignal } from "./profile-schema.ts";

export interface FrameSignal {
  readonly name: string;
  readonly decoder: SignalDecoder;
}

/** One frame of a device and what is read from it. */
export interface FrameModel {
  readonly message: string;
  readonly id: number;
  readonly extended: boolean;
  readonly checksum: Crc8 | undefined;
  readonly signals: readonly FrameSignal[];
}

export interface DeviceModel {
  readonly asset: AssetSpec;
  readonly frames: readonly FrameModel[];
  /** Without any of its frames for this long the device is reported as silent. */
  readonly maxAgeMs: number;
  /** What is odd about its files, without being wrong enough to stop. */
  readonly warnings: readonly string[];
}

/** DESIGN §4: CAN signals are collected on change, at most once a second, at least once a minute. */
const COLLECT = { minMs: 1000, maxMs: 60_000 } as const;

export interface DeviceParts {
  readonly kind: CanProfile["kind"];
  readonly signals: CanProfile["signals"];
  readonly checksum: CanProfile["checksum"];
  readonly max_age: number;
  readonly profile?: string | number;
  readonly source: string;
  readonly path: string;
  readonly dbc: Dbc;
}

export function modelOf(config: CanDeviceConfig, parts: DeviceParts): DeviceModel {
  const { dbc, kind, source, profile } = parts;
  const frames = new Map<DbcMessage, FrameSignal[]>();
  const specs: SignalSpec[] = [];
  for (const [name, wish] of Object.entries(parts.signals)) {
    const [messageName = "", signalName = ""] = wish.from.split(".");
    const message = findMessage(dbc, messageName);
    const signal = message?.signals.find((candidate) => candidate.name === signalName);
    if (message === undefined || signal === undefined) continue;
    const decoder = compileSignal(message, signal, { ...wish, labels: labelsOf(wish) });
    const maxAgeMs = config.max_age ?? wish.max_age ?? parts.max_age;
    specs.push(specOf(name, decoder, { maxAgeMs, unit: wish.unit ?? signal.unit }));
    frames.set(message, [...(frames.get(message) ?? []), { name, decoder }]);
  }
  const asset: AssetSpec = { id: config.id, kind, source, signals: specs };
  return {
    asset: typeof profile === "string" ? { ...asset, profile } : asset,
    frames: [...frames].map(([message, signals]) => frameOf(message, signals, parts.checksum)),
    maxAgeMs: Math.min(...specs.map(({ maxAgeMs }) => maxAgeMs)),
    warnings: warningsOf(parts, [...frames.keys()]),
  };
}

function specOf(name: string, decoder: SignalDecoder, place: { maxAgeMs: number; unit: string }): SignalSpec {
  const { maxAgeMs, unit } = place;
  if (decoder.labels !== undefined) {
    return { name, type: "enum", enum: [...new Set(decoder.labels.values())], maxAgeMs, collect: COLLECT };
  }
  // A counter of more than 53 bits travels as text when it is large; it has no resolution to speak of.
  const common = { name, type: "number", maxAgeMs, collect: COLLECT, resolution: decoder.resolution } as const;
  return unit === "" ? common : { ...common, unit };
}

function frameOf(message: DbcMessage, signals: FrameSignal[], checksums: CanProfile["checksum"]): FrameModel {
  const { id, extended, name } = message;
  const rule = checksums[name];
  const checksum = rule === undefined ? undefined : crc8(rule.crc8, rule.init, rule.over, rule.at);
  return { message: name, id, extended, checksum, signals };
}

function warningsOf({ path, dbc }: DeviceParts, messages: readonly DbcMessage[]): string[] {
  const problems = dbc.problems.map(({ line, text }) => `${path}:${line}: ${text}`);
  const overlaps = messages.flatMap(overlapsOf).map((text) => `${path}: ${text}; each is decoded on its own`);
  const outside = messages.flatMap((message) =>
    message.signals
      .filter((signal) => bitsOf(signal).some((bit) => bit >= 8 * message.sizeBytes))
      .map(
        ({ name, line }) => `${path}:${line}: ${message.name}.${name} lies outside of its ${message.sizeBytes} bytes`,
      ),
  );
  return [...problems, ...overlaps, ...outside];
}

function labelsOf(wish: CanProfileSignal): ReadonlyMap<number, string> | undefined {
  if (wish.enum === undefined) return undefined;
  return new Map(Object.entries(wish.enum).map(([raw, label]) => [Number(raw), label]));
}

/** The message of that name. */
export function findMessage(dbc: Dbc, name: string): DbcMessage | undefined {
  return dbc.messages.find((message) => message.name === name);
}

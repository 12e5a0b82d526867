import { createHash } from "node:crypto";

export const ASSET_KINDS = ["ac-charger", "dc-charger", "meter", "inverter", "battery", "vehicle", "gateway"] as const;
export type AssetKind = (typeof ASSET_KINDS)[number];
export type SignalType = "number" | "string" | "boolean" | "enum";

/** Which samples are kept: every one, or on change with a least and a longest distance (milliseconds). */
export type CollectRule = "every" | { readonly minMs: number; readonly maxMs: number };

export interface SignalSpec {
  /** OCPP measurand or COVESA VSS path, verbatim. */
  readonly name: string;
  readonly type: SignalType;
  readonly unit?: string;
  readonly enum?: readonly string[];
  readonly resolution?: number;
  /** Without a successful read for this long the signal is stale (milliseconds). */
  readonly maxAgeMs: number;
  readonly collect: CollectRule;
}

export interface AssetSpec {
  readonly id: string;
  readonly kind: AssetKind;
  readonly source: string;
  readonly profile?: string;
  readonly metrology?: "none" | "mid" | "calibration-law";
  readonly signals: readonly SignalSpec[];
}

/** One line of the signal table: a signal of an asset under its number. */
export interface SignalEntry extends SignalSpec {
  readonly n: number;
  readonly asset: string;
  readonly source: string;
}

interface BirthSignal {
  unit?: string;
  type: SignalType;
  enum?: readonly string[];
  resolution?: number;
}
interface BirthAsset {
  kind: AssetKind;
  profile?: string;
  metrology?: string;
  signals: Record<string, BirthSignal>;
}
interface Birth {
  v: 1;
  gw: string;
  software: string;
  assets: Record<string, BirthAsset>;
}

/**
 * The birth payload (DESIGN §6) and the numbering of signals that follows from it: entry n of `signals` is the n-th
 * signal in the order in which the payload lists them, counted from 1, so a stored payload is enough to read packed rows.
 */
export interface SignalTable {
  readonly birth: Uint8Array<ArrayBuffer>;
  /** First eight hex digits of SHA-256 of `birth`. */
  readonly birthId: string;
  /** signals[n - 1] is signal number n. */
  readonly signals: readonly SignalEntry[];
  readonly assets: readonly AssetSpec[];
}

/** First eight hex digits of SHA-256 of a birth payload. */
export function birthIdOf(payload: Uint8Array): string {
  return createHash("sha256").update(payload).digest("hex").slice(0, 8);
}

export function buildSignalTable(gateway: string, software: string, assets: readonly AssetSpec[]): SignalTable {
  const birth: Birth = { v: 1, gw: gateway, software, assets: {} };
  const bySignal = new Map<string, SignalEntry>();
  for (const asset of assets) {
    const signals: Record<string, BirthSignal> = {};
    for (const spec of asset.signals) {
      signals[spec.name] = birthSignal(spec);
      bySignal.set(`${asset.id}\n${spec.name}`, { ...spec, n: 0, asset: asset.id, source: asset.source });
    }
    birth.assets[asset.id] = birthAsset(asset, signals);
  }
  const payload = new TextEncoder().encode(JSON.stringify(birth));
  const signals: SignalEntry[] = [];
  for (const { asset, name } of walkBirth(birth)) {
    const entry = bySignal.get(`${asset}\n${name}`);
    if (entry !== undefined) signals.push({ ...entry, n: signals.length + 1 });
  }
  return { birth: payload, birthId: birthIdOf(payload), signals, assets };
}

/** Where to find (asset, signal) for each number of a stored birth payload: result[n - 1]. Throws SyntaxError on no JSON. */
export function signalsOfBirth(payload: Uint8Array): { asset: string; name: string; enum?: readonly string[] }[] {
  return [...walkBirth(JSON.parse(new TextDecoder().decode(payload)) as Birth)];
}

// JavaScript lists integer-like keys first: the numbering follows the payload as it is read back, not the configuration.
function* walkBirth(birth: Birth): Generator<{ asset: string; name: string; enum?: readonly string[] }> {
  for (const [asset, declared] of Object.entries(birth.assets)) {
    for (const [name, signal] of Object.entries(declared.signals)) {
      yield signal.enum === undefined ? { asset, name } : { asset, name, enum: signal.enum };
    }
  }
}

function birthSignal(spec: SignalSpec): BirthSignal {
  const signal: BirthSignal = spec.unit === undefined ? { type: spec.type } : { unit: spec.unit, type: spec.type };
  if (spec.enum !== undefined) signal.enum = spec.enum;
  if (spec.resolution !== undefined) signal.resolution = spec.resolution;
  return signal;
}

function birthAsset(asset: AssetSpec, signals: Record<string, BirthSignal>): BirthAsset {
  return {
    kind: asset.kind,
    ...(asset.profile === undefined ? {} : { profile: asset.profile }),
    ...(asset.metrology === undefined ? {} : { metrology: asset.metrology }),
    signals,
  };
}

/** A Modbus profile in the shape that the driver works with. */
import { type ProfileFile, parseProfile, profileInvalid, readProfileYaml } from "../profile.ts";
import { lintProfile } from "./profile-lint.ts";
import {
  type ModbusProfileData,
  modbusProfileSchema,
  type NumberType,
  type SignalData,
  type TextType,
  wordsOf,
} from "./profile-schema.ts";

/** Words from `at` that are read with one function code. */
export interface Span {
  readonly fc: 3 | 4;
  readonly at: number;
  readonly words: number;
}

export interface RegisterSignal extends Span {
  readonly name: string;
  readonly type: NumberType | TextType;
  readonly wordOrder: "big" | "little";
  readonly shift: number;
  readonly mask: number | undefined;
  readonly bytes: number;
  readonly scale: number;
  readonly offset: number;
  readonly resolution: number | undefined;
  readonly unit: string | undefined;
  readonly texts: ReadonlyMap<number, string> | undefined;
  readonly bad: readonly (number | bigint)[];
  readonly group: string;
}

export interface PollGroup {
  readonly name: string;
  readonly intervalMs: number;
}

export interface ModbusProfile {
  readonly id: string;
  readonly kind: ModbusProfileData["kind"];
  readonly metrology: ModbusProfileData["metrology"];
  readonly baud: number | undefined;
  readonly format: "8N1" | "8N2" | "8E1" | "8O1" | undefined;
  readonly gapMs: number;
  readonly maxWords: number;
  readonly maxHole: number;
  /** In the profile's order: a source's poll_interval sets the first. */
  readonly groups: readonly PollGroup[];
  /** A duty that the device has (hazards.ts). */
  readonly failsafe: ModbusProfileData["failsafe"];
  readonly signals: readonly RegisterSignal[];
}

/** Reads a profile by id or path. Throws BusbarError PROFILE_INVALID with every error in it, one a line. */
export function loadModbusProfile(ref: string, profilesDir?: string): ModbusProfile {
  return compileProfile(readProfileYaml(ref, "modbus", profilesDir));
}

function compileProfile(file: ProfileFile): ModbusProfile {
  const data = parseProfile(file, modbusProfileSchema);
  const issues = lintProfile(data);
  if (issues.length > 0) throw profileInvalid(file, issues);
  const groups = Object.entries(data.poll).map(([name, intervalMs]) => ({ name, intervalMs }));
  return {
    id: data.id,
    kind: data.kind,
    metrology: data.metrology,
    baud: data.serial?.baud,
    format: data.serial?.format,
    gapMs: data.serial?.gap ?? 0,
    maxWords: data.read.max_words,
    maxHole: data.read.max_hole,
    groups,
    failsafe: data.failsafe,
    signals: Object.entries(data.signals).map(([name, entry]) => compileSignal(name, entry, data)),
  };
}

function compileSignal(name: string, entry: SignalData, profile: ModbusProfileData): RegisterSignal {
  const words = wordsOf(entry);
  const texts = entry.enum === undefined ? undefined : Object.entries(entry.enum);
  return {
    name,
    fc: entry.fc ?? profile.read.function,
    at: entry.at,
    words,
    type: entry.type,
    wordOrder: entry.word_order ?? profile.read.word_order,
    shift: entry.shift ?? 0,
    mask: entry.mask,
    bytes: entry.bytes ?? 2 * words,
    scale: entry.scale ?? 1,
    offset: entry.offset ?? 0,
    resolution: entry.resolution,
    unit: entry.unit,
    texts: texts === undefined ? undefined : new Map(texts.map(([value, text]) => [Number(value), text])),
    bad: (entry.bad ?? []).map((value) =>
      entry.type.endsWith("64") && entry.type !== "f64" ? BigInt(value) : Number(value),
    ),
    group: entry.poll ?? (Object.keys(profile.poll)[0] as string),
  };
}

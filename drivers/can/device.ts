/** A device of the configuration: its profile or DBC file read, checked against each other, and made a model. */
import { dirname, join, resolve } from "node:path";
import { BusbarError } from "../../core/errors.ts";
import { type ProfileFile, parseProfile, profileInvalid, readProfileYaml } from "../profile.ts";
import type { CanDeviceConfig } from "./config.ts";
import type { Dbc } from "./dbc/dbc.ts";
import { readDbc } from "./dbc/read.ts";
import { type DeviceModel, findMessage, modelOf } from "./model.ts";
import { type CanProfile, type CanProfileSignal, canProfile } from "./profile-schema.ts";

interface Issue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const DEFAULT_MAX_AGE_MS = 2000;
/** Throws BusbarError PROFILE_INVALID, with every error of the profile or DBC file on a line of its own. */
export function loadDevice(config: CanDeviceConfig, source: string): DeviceModel {
  if (config.profile !== undefined) return fromProfile(config, config.profile, source);
  const path = resolve(config.dbc ?? "");
  const dbc = readDbc(path);
  const signals = Object.fromEntries(
    Object.entries(config.signals ?? {}).map(([name, from]): [string, CanProfileSignal] => [name, { from }]),
  );
  const issues = signalIssues(dbc, signals);
  if (issues.length > 0) {
    const lines = issues.map(({ path: [, name], message }) => `${path}: ${name} ${message}`);
    throw new BusbarError("PROFILE_INVALID", lines.join("\n"));
  }
  const shape = { kind: "vehicle", signals, checksum: {}, max_age: DEFAULT_MAX_AGE_MS } as const;
  return modelOf(config, { ...shape, source, path, dbc });
}

function fromProfile(config: CanDeviceConfig, ref: string, source: string): DeviceModel {
  const file = readProfileYaml(ref, "can");
  const profile = parseProfile(file, canProfile);
  const path = join(dirname(file.path), profile.dbc);
  const dbc = readDbc(path);
  checkAgainst(file, profile, dbc);
  return modelOf(config, { ...profile, source, path, dbc, profile: profile.id });
}

function checkAgainst(file: ProfileFile, profile: CanProfile, dbc: Dbc): void {
  const issues = signalIssues(dbc, profile.signals);
  for (const message of Object.keys(profile.checksum)) {
    if (findMessage(dbc, message) === undefined) {
      issues.push({ path: ["checksum", message], message: `is no message of the DBC file; ${listOf(dbc)}` });
    }
  }
  if (issues.length > 0) throw profileInvalid(file, issues);
}

function signalIssues(dbc: Dbc, signals: CanProfile["signals"]): Issue[] {
  const issues: Issue[] = [];
  for (const [name, { from }] of Object.entries(signals)) {
    const [message = "", signal = ""] = from.split(".");
    const found = findMessage(dbc, message);
    const path = ["signals", name, "from"];
    if (found === undefined) {
      issues.push({ path, message: `names message ${message}, which the DBC file has not; ${listOf(dbc)}` });
    } else if (!found.signals.some((candidate) => candidate.name === signal)) {
      const names = found.signals.map((candidate) => candidate.name).join(", ") || "none";
      issues.push({ path, message: `names signal ${signal}, which message ${message} has not; it has: ${names}` });
    }
  }
  return issues;
}

function listOf(dbc: Dbc): string {
  const names = dbc.messages.map(({ name }) => name);
  const shown = names.slice(0, 12).join(", ") || "none";
  return `it has: ${shown}${names.length > 12 ? `, and ${names.length - 12} more` : ""}`;
}

/** The bridge's configuration file → checked settings, or every mistake in it. */
import { dirname, resolve } from "node:path";
import { type CheckedFile, readChecked } from "../config/checked-file.ts";
import { needs, serverProblems } from "../config/cross-checks.ts";
import { absolutise, LOGIN_KEYS, missingFiles } from "../config/files.ts";
import type { Path, Problem } from "../config/problem.ts";
import { childOf } from "../config/schema-tree.ts";
import { type BridgeConfig, bridgeConfig } from "./config.ts";

const TLS_KEYS = ["ca_file", "cert_file", "key_file"] as const;
const FILES: readonly Path[] = [
  ...LOGIN_KEYS.map((key) => ["mqtt", key]),
  ["kafka", "sasl", "password_file"],
  ...TLS_KEYS.map((key) => ["kafka", "tls", key]),
];

/** Reads and checks the file as a whole; opens no connection. Paths in the value are absolute. Does not throw. */
export function loadBridge(path: string): CheckedFile<BridgeConfig> {
  const folder = dirname(resolve(path));
  const read = readChecked(path, bridgeConfig, ({ value }, problems) => {
    problems.push(...crossProblems(value), ...missingFiles(value, folder, FILES));
  });
  return read.ok ? { ...read, value: withAbsolutePaths(read.value, folder) } : read;
}

function crossProblems(value: unknown): Problem[] {
  const tls = childOf(childOf(value, "kafka"), "tls");
  return [
    ...serverProblems(childOf(value, "mqtt"), ["mqtt"]),
    ...needs(tls, ["kafka", "tls"], "cert_file", "key_file"),
    ...needs(tls, ["kafka", "tls"], "key_file", "cert_file"),
  ];
}

function withAbsolutePaths(config: BridgeConfig, folder: string): BridgeConfig {
  const copy = structuredClone(config);
  absolutise(copy.mqtt, LOGIN_KEYS, folder);
  if (copy.kafka.sasl !== undefined) absolutise(copy.kafka.sasl, ["password_file"], folder);
  if (copy.kafka.tls !== undefined) absolutise(copy.kafka.tls, TLS_KEYS, folder);
  return copy;
}

/**
 * What no single key can tell: rules between keys, devices and sources. They look at the file's plain values, which the
 * schema may have refused elsewhere, so that one mistake does not hide another.
 */
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { splitHostPort } from "../core/schema.ts";
import type { Path, Problem } from "./problem.ts";
import { childOf } from "./schema-tree.ts";

/** Where a value stood first, by value. */
type Seen = Map<string, Path>;
type LineOf = (path: Path) => number;

const MODBUS_LINES = ["tcp", "rtu", "rtu_over_tcp"] as const;
const LINE_KINDS: readonly string[] = MODBUS_LINES;
const LOOPBACK = /^(127(\.\d{1,3}){3}|localhost|::1)$/;
const ANY_ADDRESS = ["0.0.0.0", "::"];

/** `folder` is the configuration's, which relative paths start from; `lineOf` gives the line of a path. */
export function crossChecks(value: unknown, folder: string, lineOf: LineOf): Problem[] {
  const sources = listOf(childOf(value, "sources"));
  return [
    ...doubled(namesOf(sources, ["sources"]), "source id", lineOf),
    ...doubled(
      sources.flatMap((source, i) => deviceIds(source, i)),
      "asset id",
      lineOf,
    ),
    ...doubled(
      sources.flatMap((source, i) => linesOf(source, i, folder)),
      "line",
      lineOf,
    ),
    ...sources.flatMap((source, i) => sourceProblems(source, ["sources", i], lineOf)),
    ...serverProblems(childOf(value, "uplink"), ["uplink"]),
    ...localProblems(childOf(value, "local")),
    ...targetProblems(childOf(value, "fast_path")),
  ];
}

interface Named {
  readonly text: string;
  readonly path: Path;
}

function namesOf(list: readonly unknown[], path: Path): Named[] {
  return list.flatMap((item, i) => {
    const id = childOf(item, "id");
    return typeof id === "string" ? [{ text: id, path: [...path, i, "id"] }] : [];
  });
}

function deviceIds(source: unknown, i: number): Named[] {
  return namesOf(listOf(childOf(source, "devices")), ["sources", i, "devices"]);
}

function doubled(names: readonly Named[], what: string, lineOf: LineOf): Problem[] {
  const seen: Seen = new Map();
  return names.flatMap(({ text, path }) => {
    const first = seen.get(text);
    if (first === undefined) seen.set(text, path);
    if (first === undefined) return [];
    const remedy = what === "line" ? "one source per line, with all of its devices" : `each ${what} once`;
    return [{ path, message: `${text} is already used on line ${lineOf(first)}; allowed: ${remedy}` }];
  });
}

/** The bus that a source opens, under a name that is the same however it is written. */
function linesOf(source: unknown, i: number, folder: string): Named[] {
  const path = ["sources", i] as const;
  if (childOf(source, "driver") === "can") {
    const bus = childOf(source, "interface");
    if (typeof bus !== "string") return [];
    return [
      { text: bus.startsWith("log:") ? `log:${resolve(folder, bus.slice(4))}` : bus, path: [...path, "interface"] },
    ];
  }
  if (childOf(source, "driver") !== "modbus") return [];
  return MODBUS_LINES.flatMap((kind) => {
    const line = childOf(source, kind);
    const port = childOf(line, "port") ?? (kind === "rtu" ? undefined : 502);
    const host = childOf(line, "host");
    if (kind === "rtu")
      return typeof port === "string" ? [{ text: realPath(port), path: [...path, kind, "port"] }] : [];
    if (typeof host !== "string") return [];
    return [{ text: `${host.toLowerCase()}:${port}`, path: [...path, kind, "host"] }];
  });
}

/** /dev/serial/by-id/… and /dev/ttyUSB0 may be the same port. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

function sourceProblems(source: unknown, path: Path, lineOf: LineOf): Problem[] {
  const driver = childOf(source, "driver");
  const devices = listOf(childOf(source, "devices"));
  if (driver === "modbus") {
    return [...modbusLine(source, path), ...units(devices, childOf(source, "tcp") === undefined, path, lineOf)];
  }
  if (driver !== "can") return [];
  return devices.flatMap((device, j) => canDevice(device, [...path, "devices", j]));
}

function modbusLine(source: unknown, path: Path): Problem[] {
  // In the order of the file: the first is taken as meant.
  const present = keysOf(source).filter((key) => LINE_KINDS.includes(key));
  const allowed = `exactly one of ${MODBUS_LINES.join(", ")}`;
  if (present.length === 0) return [{ path, message: `has no line to read; allowed: ${allowed}` }];
  return present
    .slice(1)
    .map((kind) => ({ path: [...path, kind], message: `stands beside ${present[0]}; allowed: ${allowed}` }));
}

/** Units answer on one line: each its own, and on serial lines 0 is a broadcast (Modbus over Serial Line V1.02, 2.2). */
function units(devices: readonly unknown[], serial: boolean, path: Path, lineOf: LineOf): Problem[] {
  const names = devices.flatMap((device, j): (Named & { unit: number })[] => {
    if (typeof device !== "object" || device === null) return [];
    const unit = childOf(device, "unit") ?? 1;
    if (!Number.isInteger(unit)) return [];
    return [{ unit: unit as number, text: `unit ${unit}`, path: [...path, "devices", j, "unit"] }];
  });
  const outside = names
    .filter(({ unit }) => serial && (unit === 0 || (unit > 247 && unit < 256)))
    .map(({ unit, path: at }) => ({ path: at, message: `is ${unit}; allowed: 1 to 247 on a serial line` }));
  return [...outside, ...doubled(names, "unit of a line", lineOf)];
}

function canDevice(device: unknown, path: Path): Problem[] {
  if (typeof device !== "object" || device === null) return [];
  const has = (key: string) => childOf(device, key) !== undefined;
  const problems: Problem[] = [];
  const either = "allowed: exactly one of profile, dbc";
  if (has("profile") && has("dbc"))
    problems.push({ path: [...path, "dbc"], message: `stands beside profile; ${either}` });
  if (!has("profile") && !has("dbc")) problems.push({ path, message: `has nothing to decode with; ${either}` });
  const at = [...path, "signals"];
  const mapping = 'a mapping such as { "Vehicle.Speed": "Message.Signal" }';
  if (has("dbc") && !has("signals")) problems.push({ path: at, message: `is missing; allowed: with dbc, ${mapping}` });
  const signals = childOf(device, "signals");
  if (has("dbc") && isMapping(signals) && keysOf(signals).length === 0) {
    problems.push({ path: at, message: `is empty; allowed: ${mapping}` });
  }
  if (has("signals") && !has("dbc")) {
    problems.push({ path: at, message: "stands without dbc; allowed: only with dbc, a profile names its own signals" });
  }
  return problems;
}

/** Rules of a mapping with the address and the login of an MQTT server. */
export function serverProblems(server: unknown, path: Path): Problem[] {
  const url = childOf(server, "url");
  const plain = typeof url === "string" && /^(mqtt|ws):/.test(url);
  const unused = ["ca_file", "cert_file", "key_file"].filter((key) => plain && childOf(server, key) !== undefined);
  return [
    ...needs(server, path, "password_file", "username"),
    ...needs(server, path, "cert_file", "key_file"),
    ...needs(server, path, "key_file", "cert_file"),
    ...unused.map((key) => ({
      path: [...path, key],
      message: "is of no use without TLS; allowed: with a url of mqtts:// or wss://",
    })),
  ];
}

/** One key goes with another. */
export function needs(holder: unknown, path: Path, key: string, other: string): Problem[] {
  if (childOf(holder, key) === undefined || childOf(holder, other) !== undefined) return [];
  return [{ path: [...path, key], message: `stands without ${other}; allowed: both or none` }];
}

function localProblems(local: unknown): Problem[] {
  const problems = (["mqtt", "http"] as const).flatMap((key) => listenerProblems(childOf(local, key), ["local", key]));
  const mqtt = addressOf(childOf(local, "mqtt"), "127.0.0.1:1883");
  const http = addressOf(childOf(local, "http"), "127.0.0.1:8066");
  if (mqtt === undefined || http === undefined || mqtt.port === 0 || mqtt.port !== http.port) return problems;
  const same = mqtt.host === http.host || ANY_ADDRESS.includes(mqtt.host) || ANY_ADDRESS.includes(http.host);
  if (!same) return problems;
  const key = childOf(childOf(local, "http"), "listen") === undefined ? "mqtt" : "http";
  const message = "is the address of local.mqtt and of local.http; allowed: an address of its own for each";
  return [...problems, { path: ["local", key, "listen"], message }];
}

function addressOf(listener: unknown, standard: string) {
  const listen = childOf(listener, "listen") ?? standard;
  return typeof listen === "string" ? splitHostPort(listen) : undefined;
}

function listenerProblems(listener: unknown, path: Path): Problem[] {
  const pair = [
    ...needs(listener, path, "password_file", "username"),
    ...needs(listener, path, "username", "password_file"),
  ];
  const listen = childOf(listener, "listen");
  const host = typeof listen === "string" ? splitHostPort(listen)?.host : undefined;
  const secured = childOf(listener, "username") !== undefined && childOf(listener, "password_file") !== undefined;
  if (host === undefined || LOOPBACK.test(host) || secured) return pair;
  const message = "is reachable from the network; allowed: a loopback address, or any with username and password_file";
  return [...pair, { path: [...path, "listen"], message }];
}

function targetProblems(fastPath: unknown): Problem[] {
  return listOf(childOf(fastPath, "to")).flatMap((target, i) => {
    const port = typeof target === "string" ? splitHostPort(target)?.port : undefined;
    return port === 0 ? [{ path: ["fast_path", "to", i], message: "is port 0; allowed: a port from 1 to 65535" }] : [];
  });
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isMapping(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function keysOf(value: unknown): readonly string[] {
  return isMapping(value) ? Object.keys(value) : [];
}

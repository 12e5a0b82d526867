/** The Modbus driver: one source is one line with its devices. */
import { BusbarError, messageOf } from "../../core/errors.ts";
import type { AssetSpec, SignalSpec } from "../../core/signals.ts";
import type { Driver, DriverContext } from "../driver.ts";
import type { ModbusDeviceConfig, ModbusSourceConfig } from "./config.ts";
import type { DeviceSpec } from "./device.ts";
import { hazardsOf } from "./hazards.ts";
import { type LineSpec, runLine } from "./line.ts";
import { openSerial } from "./link-serial.ts";
import { openTcp } from "./link-tcp.ts";
import { loadModbusProfile, type ModbusProfile, type PollGroup, type RegisterSignal } from "./profile.ts";

/** A signal is stale without a reply for this many of its intervals (DESIGN invariant 6). */
const STALE_INTERVALS = 3;
const DEFAULT_BAUD = 9600;

export interface ModbusSourceIssue {
  /** Inside the source's configuration. */
  readonly path: (string | number)[];
  readonly message: string;
}

/** What only the profiles can tell about a source's configuration; nothing is opened. */
export function checkModbusSource(config: ModbusSourceConfig, profilesDir?: string): ModbusSourceIssue[] {
  const errorsOf = oncePerProfile((ref) => profileErrors(ref, profilesDir));
  return config.devices.flatMap((device, i) =>
    errorsOf(device.profile).map((message) => ({ path: ["devices", i, "profile"], message })),
  );
}

/** Throws BusbarError PROFILE_INVALID for what checkModbusSource tells, CONFIG_INVALID without a line. */
export function createModbusDriver(config: ModbusSourceConfig, profilesDir?: string): Driver {
  const profileOf = oncePerProfile((ref) => loadModbusProfile(ref, profilesDir));
  const devices = config.devices.map((device) => deviceSpec(device, profileOf(device.profile)));
  const line = lineSpec(config, devices);
  return {
    id: config.id,
    label: line.label,
    assets: devices.map((device) => assetSpec(config.id, device)),
    hazards: devices.flatMap(hazardsOf),
    run: (context: DriverContext, signal: AbortSignal) => runLine(line, context, signal),
  };
}

/** A hundred devices of one kind read their profile once. */
function oncePerProfile<T>(read: (ref: string) => T): (ref: string) => T {
  const known = new Map<string, T>();
  return (ref) => {
    const value = known.has(ref) ? (known.get(ref) as T) : read(ref);
    known.set(ref, value);
    return value;
  };
}

function profileErrors(ref: string, profilesDir: string | undefined): string[] {
  try {
    loadModbusProfile(ref, profilesDir);
    return [];
  } catch (error) {
    return messageOf(error).split("\n");
  }
}

function deviceSpec(config: ModbusDeviceConfig, profile: ModbusProfile): DeviceSpec {
  const groups = profile.groups
    .map(({ name, intervalMs }, i): PollGroup => {
      return { name, intervalMs: i === 0 ? (config.poll_interval ?? intervalMs) : intervalMs };
    })
    .filter(({ name }) => profile.signals.some((signal) => signal.group === name));
  return { asset: config.id, unit: config.unit, timeoutMs: config.timeout, profile, groups };
}

function lineSpec(config: ModbusSourceConfig, devices: readonly DeviceSpec[]): LineSpec {
  const baud = config.rtu?.baud ?? devices[0]?.profile.baud ?? DEFAULT_BAUD;
  const { tcp, rtu, rtu_over_tcp: rtuOverTcp } = config;
  if (tcp !== undefined) {
    const label = `modbus tcp ${tcp.host}:${tcp.port}`;
    const open: LineSpec["open"] = (events, signal) => openTcp(tcp, label, events, signal);
    return { label, mbap: true, silentMs: 0, reopensOnSilence: true, devices, open };
  }
  if (rtuOverTcp !== undefined) {
    const label = `modbus rtu_over_tcp ${rtuOverTcp.host}:${rtuOverTcp.port}`;
    const open: LineSpec["open"] = (events, signal) => openTcp(rtuOverTcp, label, events, signal);
    return { label, mbap: false, silentMs: silentIntervalMs(baud), reopensOnSilence: true, devices, open };
  }
  if (rtu !== undefined) {
    const label = `modbus rtu ${rtu.port}`;
    const line = { port: rtu.port, baud, format: rtu.format ?? devices[0]?.profile.format ?? "8N1" };
    const open: LineSpec["open"] = (events) => openSerial(line, label, events);
    return { label, mbap: false, silentMs: silentIntervalMs(baud), reopensOnSilence: false, devices, open };
  }
  throw new BusbarError("CONFIG_INVALID", `source ${config.id}: no line`, {
    remedy: "name one of tcp, rtu, rtu_over_tcp",
  });
}

/** 3.5 characters of 11 bits; 1.75 ms above 19200 baud (Modbus over Serial Line 1.02, 2.5.1.1). In milliseconds. */
function silentIntervalMs(baud: number): number {
  return baud > 19_200 ? 1.75 : (3.5 * 11 * 1000) / baud;
}

function assetSpec(source: string, { asset, profile, groups }: DeviceSpec): AssetSpec {
  const signals = profile.signals.map((signal) => signalSpec(signal, groups));
  return { id: asset, kind: profile.kind, source, profile: profile.id, metrology: profile.metrology, signals };
}

function signalSpec(signal: RegisterSignal, groups: readonly PollGroup[]): SignalSpec {
  const intervalMs = groups.find((group) => group.name === signal.group)?.intervalMs ?? 0;
  const base = { name: signal.name, maxAgeMs: STALE_INTERVALS * intervalMs, collect: "every" } as const;
  if (signal.texts !== undefined) return { ...base, type: "enum", enum: [...new Set(signal.texts.values())] };
  if (signal.type === "ascii" || signal.type === "hex" || signal.type === "dotted") return { ...base, type: "string" };
  return {
    ...base,
    type: "number",
    ...(signal.unit === undefined ? {} : { unit: signal.unit }),
    ...(signal.resolution === undefined ? {} : { resolution: signal.resolution }),
  };
}

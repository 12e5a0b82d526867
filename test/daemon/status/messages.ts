import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { StatusInit, ToStatus } from "../../../daemon/status/protocol.ts";

type StoreReport = Extract<ToStatus, { type: "store" }>;

/** Waits until `holds` returns something true; fails after 3 s. */
export async function until(holds: () => unknown, what = String(holds)): Promise<void> {
  const deadline = performance.now() + 3000;
  while (!holds()) {
    if (performance.now() > deadline) assert.fail(`not within 3 s: ${what}`);
    await delay(5);
  }
}

export function statusInit(changes: Partial<StatusInit> = {}): StatusInit {
  return {
    gateway: "depot-berlin-01",
    software: "busbar 0.1.0",
    configFile: "/etc/busbar/busbar.yaml",
    local: { mqtt: { listen: { host: "127.0.0.1", port: 0 } }, http: { listen: { host: "127.0.0.1", port: 0 } } },
    fastPathTargets: ["239.255.66.66:47066"],
    signals: [
      { asset: "meter-1", name: "Power.Active.Import", type: "number", unit: "W" },
      { asset: "meter-1", name: "Energy.Active.Import.Register", type: "number", unit: "Wh" },
      { asset: "wallbox-1", name: "Status", type: "enum" },
    ],
    assets: [
      { id: "meter-1", kind: "meter", source: "rs485" },
      { id: "wallbox-1", kind: "ac-charger", source: "rs485" },
    ],
    logFormat: "none",
    ...changes,
  };
}

export const METER_VALUES: ToStatus = {
  type: "values",
  numbers: [1, 2],
  values: [7361, 1204334],
  quality: [0, 1],
  times: [1795226001123, 1795226000123],
};

export function sources(ok: boolean): ToStatus {
  const meter = ok ? { asset: "meter-1", ok } : { asset: "meter-1", ok, error: "unit 2: no reply in 500 ms" };
  return {
    type: "sources",
    sources: [
      {
        id: "rs485",
        label: "modbus rtu /dev/ttyUSB0",
        state: ok ? "up" : "degraded",
        since: 1795226000000,
        restarts: 0,
        batches: 7,
        lost: 0,
        devices: [meter],
      },
    ],
    fastPath: { targets: ["239.255.66.66:47066"], datagrams: 7, errors: 0 },
  };
}

export function store(durableUntil: number, uplink: StoreReport["uplink"]["state"] = "up"): StoreReport {
  return {
    type: "store",
    outbox: {
      state: "ok",
      epoch: "k3f9a1c2",
      boot: 17,
      durable_until: durableUntil,
      streams: { c: { next: 2, acked: 1 }, t: { next: 4712, acked: 4711 }, b: { next: 1, acked: 0 } },
      waiting: 2,
      bytes: 1_048_576,
      max_bytes: 2_147_483_648,
      oldest_age_s: 3,
      drops: { full: 0, overload: 0, corrupt: 0, rejected: 0, expired: 0 },
    },
    uplink: {
      state: uplink,
      url: "mqtt://cloud:1883",
      since: 1795226000000,
      conn: 1,
      inflight: 0,
      window: 100,
      oldest_unacked_s: 0,
      records_acked: 5,
      bytes_sent: 1000,
      backlog: false,
    },
  };
}

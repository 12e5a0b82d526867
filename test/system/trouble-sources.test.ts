/** Buses and devices that are missing, silent or lie, and targets nobody can reach: told, and nothing else is disturbed. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Snapshot } from "../../daemon/status/protocol.ts";
import { socatIsThere } from "../../hw-sim/wire/pty-port.ts";
import { startBlackHole } from "../support/black-hole.ts";
import { listenForDatagrams } from "../support/datagrams.ts";
import { SimProcess } from "../support/sim-process.ts";
import { startTrial, type Trial } from "../support/trial.ts";
import { freePort, until } from "../support/wait.ts";

/** The parts that come later, as a site of their own. */
function secondSite(port: number): string {
  return `seed: 9
time_scale: 1
lines:
  - id: closed
    modbus_tcp: { port: ${port} }
    devices:
      - { id: wallbox-9, profile: abb-terra-ac, unit: 1, max_current: 32, first_plug: 4 s }
  - id: usb9
    rtu: { baud: 19200, format: 8E1 }
    devices:
      - { id: meter-9, profile: eastron-sdm630, unit: 2, measures: [ wallbox-9 ] }
  - id: late
    can: {}
    devices:
      - { id: van-9, profile: busbar-sim-van }
`;
}

interface Places {
  readonly closedPort: number;
  readonly holePort: number;
  readonly serial: string;
}

function missingParts({ closedPort, holePort, serial }: Places): readonly unknown[] {
  const wallbox = (id: string, port: number) => {
    return { tcp: { host: "127.0.0.1", port }, devices: [{ id, unit: 1, profile: "abb-terra-ac" }] };
  };
  const van = (id: string) => ({ devices: [{ id, profile: "busbar-sim-van" }] });
  return [
    { id: "closed", driver: "modbus", ...wallbox("wallbox-9", closedPort) },
    { id: "black-hole", driver: "modbus", ...wallbox("wallbox-8", holePort) },
    {
      id: "unplugged",
      driver: "modbus",
      rtu: { port: serial, baud: 19200, format: "8E1" },
      devices: [{ id: "meter-9", unit: 2, profile: "eastron-sdm630" }],
    },
    { id: "no-can", driver: "can", interface: "socketcan:can9", ...van("van-8") },
    { id: "late-bus", driver: "can", interface: "sim:late", ...van("van-9") },
  ];
}

/** Waits until every source named is told down with a text of that pattern. */
async function told(trial: Trial, patterns: Readonly<Record<string, RegExp>>): Promise<void> {
  let seen: Snapshot | undefined;
  const errorOf = (id: string): string => seen?.sources.find((source) => source.id === id)?.error ?? "";
  const holds = async (): Promise<boolean> => {
    seen = await trial.gateway.snapshot();
    return Object.entries(patterns).every(([id, pattern]) => pattern.test(errorOf(id)));
  };
  await until("every missing part is told", holds, 12_000).catch((error: unknown) => {
    assert.fail(`${error}\n${Object.keys(patterns).map(errorOf).join("\n")}`);
  });
}

async function sourcesUp(trial: Trial, ids: readonly string[]): Promise<void> {
  let seen: Snapshot | undefined;
  const holds = async (): Promise<boolean> => {
    seen = await trial.gateway.snapshot();
    return ids.every((id) => seen?.sources.find((source) => source.id === id)?.state === "up");
  };
  await until("sources are up", holds, 15_000).catch((error: unknown) => {
    assert.fail(
      `${error}: ${JSON.stringify(seen?.sources.filter(({ id, state }) => ids.includes(id) && state !== "up"))}`,
    );
  });
}

/** What the depot served from one moment to another: lines of each asset per second. */
function rates(ledger: string, fromMs: number, untilMs: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const line of ledger.split("\n").slice(0, -1)) {
    const { ts, asset } = JSON.parse(line) as { ts: number; asset: string };
    if (ts >= fromMs && ts < untilMs) counts.set(asset, (counts.get(asset) ?? 0) + 1);
  }
  return new Map([...counts].map(([asset, count]) => [asset, (count * 1000) / (untilMs - fromMs)]));
}

const RATE_MS = 6000;

test("missing parts and lying devices: told with a remedy, the rest goes on, what comes back is taken up", {
  skip: !socatIsThere() && "socat is not installed (apt-get install socat)",
}, async () => {
  await using opened = new AsyncDisposableStack();
  const later = mkdtempSync(join(tmpdir(), "busbar-later-"));
  opened.defer(() => rmSync(later, { recursive: true, force: true }));
  const hole = opened.use(await startBlackHole());
  const udp = opened.use(await listenForDatagrams());
  const places = { closedPort: await freePort(), holePort: hole.port, serial: join(later, "usb9.tty") };
  let second: SimProcess | undefined;
  const trial = opened.use(
    await startTrial("the stand-in cloud", {
      uplink: { publish_interval: "1 s" },
      fastPathTo: ["no-such-host.invalid:47066", `127.0.0.1:${udp.port}`, `127.0.0.1:${await freePort()}`],
      moreSources: (dir) => {
        symlinkSync(join(later, "late.sock"), join(dir, "late.sock"));
        return missingParts(places);
      },
      moreLedgers: () => second?.ledger() ?? "",
    }),
  );
  const { sim, gateway } = trial;

  await told(trial, {
    closed: new RegExp(`^modbus tcp 127\\.0\\.0\\.1:${places.closedPort}: ECONNREFUSED; check host, port`),
    "black-hole": new RegExp(`^modbus tcp 127\\.0\\.0\\.1:${hole.port}: no connection in 3000 ms; check host, port`),
    unplugged: new RegExp(`^modbus rtu ${places.serial}: no such device; check the cable`),
    "no-can":
      /^can socketcan:can9: (the socketcan addon is not installed; install|there is no such interface.*; see `ip link show can9`)/,
    "late-bus": /^can sim:late: no simulated bus at .*late\.sock; start it/,
  });
  await sourcesUp(
    trial,
    sim.sources.map(({ id }) => id),
  );
  const troubledFrom = Date.now();
  const snapshot = await gateway.snapshot();
  assert.equal(snapshot?.health.status, "failed");
  for (const id of ["wallbox-8", "wallbox-9", "meter-9", "van-8", "van-9"]) {
    assert.equal(snapshot.assets[id]?.available, false, id);
  }
  assert.match(snapshot.fast_path.error ?? "", /^fast path no-such-host\.invalid:47066: (ENOTFOUND|EAI_AGAIN); .*name/);
  assert.ok(snapshot.fast_path.errors > 0);
  await until("a while with all of that", () => Date.now() >= troubledFrom + RATE_MS, 2 * RATE_MS);
  const troubled = rates(sim.ledger(), troubledFrom, troubledFrom + RATE_MS);

  const scenario = join(later, "second.yaml");
  writeFileSync(scenario, secondSite(places.closedPort));
  second = opened.use(await SimProcess.start(later, scenario));
  await sourcesUp(trial, ["closed", "unplugged", "late-bus"]);
  for (const asset of ["wallbox-1", "wallbox-2", "wallbox-3", "meter-1"]) {
    assert.ok((troubled.get(asset) ?? 0) > 0.8, `${asset}: ${troubled.get(asset)} polls a second of 1`);
  }
  assert.ok((troubled.get("van-7") ?? 0) > 20, `${troubled.get("van-7")} frames a second of 24`);
  assert.equal(udp.heard.lost, 0);
  assert.ok(udp.heard.datagrams > 100);

  await lyingDevices(trial);
  const verdict = await trial.conclude();
  assert.deepEqual(verdict.violations, []);
  assert.deepEqual(verdict.gaps, []);
});

async function lyingDevices({ sim, gateway }: Trial): Promise<void> {
  await sim.command("garble", "wallbox-1");
  await sim.command("late", "wallbox-2");
  await sim.command("freeze", "wallbox-3");
  await sim.command("garble", "depot");
  let seen: Snapshot | undefined;
  const deviceError = (asset: string): string | undefined => {
    return seen?.sources.flatMap(({ devices }) => devices).find((device) => device.asset === asset)?.error;
  };
  const stale = (asset: string): boolean =>
    Object.values(seen?.assets[asset]?.values ?? {}).some(({ q }) => q !== "good");
  const holds = async (): Promise<boolean> => {
    seen = await gateway.snapshot();
    return ["wallbox-1", "wallbox-2", "van-7"].every((id) => deviceError(id) !== undefined && stale(id));
  };
  await until("spoilt devices are told", holds, 15_000).catch((error: unknown) => {
    assert.fail(`${error}: ${["wallbox-1", "wallbox-2", "van-7"].map((id) => `${deviceError(id)} ${stale(id)}`)}`);
  });
  assert.match(deviceError("wallbox-1") ?? "", /unit 1: .*; check/);
  // The reply to one request can come while the next one waits: then these bytes are told.
  assert.match(deviceError("wallbox-2") ?? "", /unit 1: (?:\d+ bytes that are )?no reply in \d+ ms; check/);
  assert.match(deviceError("van-7") ?? "", /van-7.*;/);
  assert.equal(deviceError("wallbox-3"), undefined);
  for (const target of ["wallbox-1", "wallbox-2", "wallbox-3", "depot"]) await sim.command("restore", target);
  const well = async (): Promise<boolean> => {
    seen = await gateway.snapshot();
    return ["wallbox-1", "wallbox-2", "van-7"].every((id) => seen?.assets[id]?.available === true && !stale(id));
  };
  await until("they are well again", well, 15_000);
}

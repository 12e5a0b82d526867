import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { stripVTControlCharacters } from "node:util";
import { formatAge, formatBytes, formatValue } from "../../../daemon/status/format.ts";
import type { Snapshot } from "../../../daemon/status/protocol.ts";
import { columnsOf, renderTable } from "../../../daemon/status/table.ts";

const snapshot = JSON.parse(
  readFileSync(new URL("../../fixtures/status/snapshot.json", import.meta.url), "utf8"),
) as Snapshot;

test("a serial console, which has no width, is written to as a pipe is", () => {
  assert.equal(columnsOf({ columns: 80 }), 80);
  assert.equal(columnsOf({ columns: 0 }), columnsOf({}));
  assert.ok(columnsOf({}) >= 80);
});

test("the table of a site with a dead uplink and a silent charger", () => {
  assert.equal(
    renderTable(snapshot, 100),
    `depot-berlin-01  busbar 0.1.0  up 2 h 1 min  degraded
uplink    down  mqtts://broker.example.com:8883, for 12 min, 4591 records acknowledged
          connect ECONNREFUSED; check that the server runs
outbox    ok  1.0 MiB of 2.0 GiB, 211 records wait, oldest 12 min, on disk up to 1 s ago
          samples dropped: 40 (overload)
source    rs485 degraded
          wallbox-1: unit 1: no reply in 500 ms; check wiring and unit id

ASSET      KIND        STATUS     POWER       ENERGY     SOC     NEWEST
meter-1    meter       online   7.36 kW  1204.33 kWh       -   good 0 s
wallbox-1  ac-charger  offline        -            -       -  bad 1 min
van-7      vehicle     online         -            -  63.5 %   good 0 s
`,
  );
});

test("what a technician asks for: traffic, disk writes, clock jumps, salvage, new numbers", () => {
  const outbox = {
    ...snapshot.outbox!,
    written_today_bytes: 300 * 2 ** 20,
    daily_writes_bytes: 2 ** 30,
    stretched_commit_interval_ms: 12_000,
    clock_jumps: 1,
    salvage: { file: "outbox.db.corrupt-1795226000000", records: 17 },
    renewing: true as const,
  };
  const uplink = { ...snapshot.uplink!, traffic: { month: "2026-11", bytes: 5 * 2 ** 20 } };
  const text = renderTable({ ...snapshot, outbox, uplink }, 120);
  for (const line of [
    "5.0 MiB sent in 2026-11",
    "300 MiB of 1.0 GiB written to disk today; samples are committed every 12 s to keep to it",
    "the clock jumped once since the start",
    "taking over what outbox.db.corrupt-1795226000000 holds: 17 records so far",
    "what waits is being given new numbers: the cloud knows the old ones",
  ])
    assert.ok(text.includes(`\n          ${line}\n`), `${line} in:\n${text}`);
});

test("a source that lost frames is shown with their number, though it is up", () => {
  const source = { ...snapshot.sources[0]!, state: "up", lost: 1200, devices: [] } as const;
  assert.match(renderTable({ ...snapshot, sources: [source] }, 80), /\nsource {4}rs485 up, 1200 frames lost\n/);
});

test("on a narrow terminal the remedy is still there: sentences go on in the next line", () => {
  const error = "modbus tcp 10.0.0.7:502: ECONNREFUSED; check host, port, cable and that the device allows another";
  const source = {
    ...snapshot.sources[0]!,
    state: "down",
    error,
    devices: [
      { asset: "wallbox-1", ok: false, error },
      { asset: "meter-1", ok: false, error: "unit 2: no reply" },
    ],
  } as const;
  const text = renderTable({ ...snapshot, sources: [source] }, 44);
  const told = text.slice(text.indexOf("source"), text.indexOf("\n\n"));
  assert.equal(
    told,
    `source    rs485 down  modbus tcp
          10.0.0.7:502: ECONNREFUSED; check
          host, port, cable and that the
          device allows another
          devices: wallbox-1
          meter-1: unit 2: no reply`,
  );
  const coloured = renderTable({ ...snapshot, sources: [source] }, 44, { color: true });
  assert.ok(stripVTControlCharacters(coloured).includes(told));
});

test("every line keeps to the width; the least important columns go first", () => {
  for (const columns of [20, 40, 60, 80]) {
    const lines = renderTable(snapshot, columns).split("\n");
    for (const line of lines) assert.ok(line.length <= columns, `${columns}: ${line}`);
    assert.ok(lines.some((line) => line.startsWith("meter-1")));
  }
  assert.doesNotMatch(renderTable(snapshot, 62), /KIND/);
  assert.match(renderTable(snapshot, 62), /POWER/);
});

test("colours change nothing but colour", () => {
  const coloured = renderTable(snapshot, 100, { color: true });
  assert.match(coloured, /\[31moffline/);
  const stripped = stripVTControlCharacters(coloured)
    .split("\n")
    .map((line) => line.trimEnd());
  assert.deepEqual(stripped, renderTable(snapshot, 100).split("\n"));
});

test("text from buses and drivers cannot steer the terminal", () => {
  const hostile = "\x1b[2Jgone\nnew line\u202e\u009b31m";
  const asset = {
    kind: "vehicle",
    source: "can0",
    available: true,
    ts: 1,
    values: { Status: { v: hostile, q: "good", ts: 1 } },
  } as const;
  const source = {
    id: "can0",
    label: "x",
    state: "down",
    since: 1,
    restarts: 0,
    batches: 0,
    lost: 0,
    error: hostile,
    devices: [],
  } as const;
  const text = renderTable({ ...snapshot, assets: { "van-7": asset }, sources: [source], problems: [hostile] }, 200);
  assert.doesNotMatch(text, /[^\P{Cc}\n]|\u202e/u);
  assert.equal(text.split("\n").filter((line) => line.includes("gone")).length, 3);
});

test("a gateway that has just started and knows nothing", () => {
  const { outbox: _outbox, uplink: _uplink, ...rest } = snapshot;
  const text = renderTable({ ...rest, sources: [], assets: {} }, 80);
  assert.match(text, /uplink {4}not started\noutbox {4}not open\n\nASSET\n$/);
});

test("values, sizes and ages as people read them", () => {
  const values: [number | string | boolean | null, string | undefined, string][] = [
    [999, "W", "999 W"],
    [-7361, "W", "-7.36 kW"],
    [0.123, "1", "12.3 %"],
    [230.1, "V", "230.1 V"],
    [0.1 + 0.2, "A", "0.3 A"],
    [null, "V", "-"],
    [true, undefined, "true"],
    ["18446744073709551615", "Wh", "18446744073709551615"],
    [104_857_600, "By", "100 MiB"],
  ];
  for (const [value, unit, text] of values) assert.equal(formatValue(value, unit), text);
  assert.deepEqual([0, 1023, 1024, 2 ** 31].map(formatBytes), ["0 B", "1023 B", "1.0 KiB", "2.0 GiB"]);
  assert.deepEqual([-5, 59_400, 60_000, 3_600_000, 11_100_000, 360_000_000].map(formatAge), [
    "0 s",
    "59 s",
    "1 min",
    "1 h",
    "3 h 5 min",
    "4 d 4 h",
  ]);
});

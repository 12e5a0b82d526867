import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type CanSourceConfig, canSourceConfig } from "../../../drivers/can/config.ts";
import { checkCanSource, createCanDriver } from "../../../drivers/can/driver.ts";
import { FIXTURES, Recorder } from "./fakes.ts";

const TRUCK = fileURLToPath(new URL("truck.dbc", FIXTURES));
const source = (device: object, over: object = {}): CanSourceConfig =>
  canSourceConfig.parse({ id: "can0", driver: "can", interface: "sim:depot", devices: [device], ...over });

describe("a van on a simulated bus", { timeout: 5000 }, () => {
  let folder: string;
  let server: Server;
  const clients: Socket[] = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "busbar-can-"));
    process.env.BUSBAR_SIM_DIR = folder;
    server = createServer((client) => clients.push(client));
    await new Promise<void>((resolve) => server.listen(join(folder, "depot.sock"), resolve));
  });
  after(async () => {
    delete process.env.BUSBAR_SIM_DIR;
    for (const client of clients) client.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  });

  test("every frame of the table in busbar-sim-van.dbc, as hand-made bytes", async () => {
    const driver = createCanDriver(source({ id: "van-7", profile: "busbar-sim-van" }));
    const recorder = new Recorder(driver);
    const abort = new AbortController();
    const connected = new Promise<Socket>((resolve) => server.once("connection", resolve));
    const running = driver.run(recorder, abort.signal);
    const lines = [
      // 34 A is raw 68 = 000 0100 0100; 370.5 V is raw 741 = 10 1110 0101; checksum of another implementation.
      "(1795226000.000001) sim0 1DB#0880B94000000050",
      // 68.5 % is raw 685 = 10 1010 1101.
      "(1795226000.000002) sim0 55B#AB400000000000F9",
      // 42.56 km/h is raw 1032 = 0x408, from bit 12.
      "(1795226000.000003) sim0 257#0080400000000000",
      // 123456.7 km is raw 0x12D687.
      "(1795226000.000004) sim0 5C5#87D6120000000000",
      // 250, 248, no value, 0 kPa.
      "(1795226000.000005) sim0 385#7D7CFF0000000000",
      // 525200066 and -134000007 ten-millionths of a degree.
      "(1795226000.000006) sim0 4A0#C2EA4D1F795203F8",
      "(1795226000.000007) sim0 4A0#0000008080ADFC07",
    ];
    (await connected).write(`${lines.join("\n")}\n`);
    await recorder.until(() => recorder.batches.length === lines.length);
    abort.abort();
    await running;
    const tire = (row: number, side: string) => `Vehicle.Chassis.Axle.Row${row}.Wheel.${side}.Tire.Pressure`;
    const [latitude, longitude] = ["Vehicle.CurrentLocation.Latitude", "Vehicle.CurrentLocation.Longitude"];
    const battery = "Vehicle.Powertrain.TractionBattery";
    assert.deepEqual(
      recorder.batches.map(({ tUs, values, quality }) => [tUs - 1_795_226_000_000_000, values, quality]),
      [
        [1, { [`${battery}.CurrentVoltage`]: 370.5, [`${battery}.CurrentCurrent`]: 34 }, "gg"],
        [2, { [`${battery}.StateOfCharge.Current`]: 68.5 }, "g"],
        [3, { "Vehicle.Speed": 42.56 }, "g"],
        [4, { "Vehicle.TraveledDistance": 123_456.7 }, "g"],
        [
          5,
          { [tire(1, "Left")]: 250, [tire(1, "Right")]: 248, [tire(2, "Left")]: null, [tire(2, "Right")]: 0 },
          "ggbg",
        ],
        [6, { [latitude as string]: 52.5200066, [longitude as string]: -13.4000007 }, "gg"],
        [7, { [latitude as string]: null, [longitude as string]: 13.4 }, "bg"],
      ],
    );
  });

  test("a DBC file of one's own; a device that is never there is reported while the bus runs", async () => {
    const signals = { "Vehicle.Speed": "VehSpd.Speed_kph", "Vehicle.Door": "Door.State" };
    const driver = createCanDriver(source({ id: "truck-2", dbc: TRUCK, signals, max_age: "100 ms" }));
    const recorder = new Recorder(driver);
    const abort = new AbortController();
    const connected = new Promise<Socket>((resolve) => server.once("connection", resolve));
    const running = driver.run(recorder, abort.signal);
    await recorder.until(() => recorder.reports.some(({ code }) => code === "DEVICE_TIMEOUT"));
    // 2566844672 is 0x18FEF100 with bit 31. 0x2A80 = 10880 / 256 = 42.5 km/h.
    (await connected).write(
      "(1.000000) sim0 18FEF100#00802A0000000000\n(1.000000) sim0 100#01\n(1.000000) sim0 100#03\n",
    );
    await recorder.until(() => recorder.batches.length === 3);
    abort.abort();
    await running;
    assert.deepEqual(
      recorder.batches.map(({ values }) => values),
      [{ "Vehicle.Speed": 42.5 }, { "Vehicle.Door": "Open" }, { "Vehicle.Door": null }],
    );
    assert.deepEqual(
      driver.assets[0]?.signals.map(({ name, type, unit, enum: texts, maxAgeMs }) => [
        name,
        type,
        unit,
        texts,
        maxAgeMs,
      ]),
      [
        ["Vehicle.Speed", "number", "km/h", undefined, 100],
        ["Vehicle.Door", "enum", undefined, ["Closed", "Open"], 100],
      ],
    );
    assert.deepEqual(
      recorder.entries.map(({ level, text }) => [level, text]),
      [["warn", `${TRUCK}: VehSpd: Speed_kph and Twin share bits; each is decoded on its own`]],
    );
  });

  test("the bus going away rejects, so that the supervisor comes again", async () => {
    const driver = createCanDriver(source({ id: "van-7", profile: "busbar-sim-van" }));
    server.once("connection", (client) => client.destroy());
    await assert.rejects(driver.run(new Recorder(driver), new AbortController().signal), { code: "BUS_CLOSED" });
  });
});

describe("checkCanSource names what the schema cannot know", () => {
  const signals = { "Vehicle.Speed": "VehSpd.Speed_kph" };
  const cases: readonly [what: string, device: object, path: (string | number)[], message: RegExp][] = [
    ["neither profile nor dbc", {}, ["devices", 0], /has neither profile nor dbc/],
    ["both", { profile: "nissan-leaf", dbc: TRUCK, signals }, ["devices", 0, "dbc"], /beside profile/],
    ["signals beside a profile", { profile: "nissan-leaf", signals }, ["devices", 0, "signals"], /only with dbc/],
    ["a dbc without signals", { dbc: TRUCK }, ["devices", 0], /dbc without signals/],
    ["an unknown profile", { profile: "nissan-laef" }, ["devices", 0, "profile"], /nissan-leaf/],
    ["a dbc that is not there", { dbc: "./absent.dbc", signals }, ["devices", 0, "dbc"], /absent\.dbc: cannot be read/],
    [
      "a message that is not there",
      { dbc: TRUCK, signals: { X: "VehSpeed.Speed_kph" } },
      ["devices", 0, "dbc"],
      /X names message VehSpeed, which the DBC file has not; it has: VehSpd, Door/,
    ],
    [
      "a signal that is not there",
      { dbc: TRUCK, signals: { X: "VehSpd.Speed" } },
      ["devices", 0, "dbc"],
      /X names signal Speed, which message VehSpd has not; it has: Speed_kph, Twin/,
    ],
  ];
  for (const [what, device, path, message] of cases) {
    test(what, () => {
      const issues = checkCanSource(source({ id: "v", ...device }));
      assert.deepEqual(issues[0]?.path, path);
      assert.match(issues[0]!.message, message);
    });
  }

  test("nothing for what is right, and every device on its own", () => {
    assert.deepEqual(checkCanSource(source({ id: "v", profile: "tesla-model-3" })), []);
    const two = source({ id: "a", profile: "nissan-leaf" }, { devices: [{ id: "a", profile: "x" }, { id: "b" }] });
    assert.deepEqual(
      checkCanSource(two).map(({ path }) => path),
      [
        ["devices", 0, "profile"],
        ["devices", 1],
      ],
    );
  });

  test("a profile of one's own, with errors at their lines", async () => {
    const folder = await mkdtemp(join(tmpdir(), "busbar-can-"));
    const file = join(folder, "mine.yaml");
    const head = "profile: 1\nid: mine\nkind: vehicle\nvendor: Me\nmodel: Mine\nsource: my own\ndbc: truck.dbc\n";
    try {
      await writeFile(join(folder, "truck.dbc"), 'BO_ 1 M: 8 X\n SG_ S : 0|8@1+ (1,0) [0|0] "V" X\n');
      await writeFile(file, `${head}signals:\n  A: { from: M.S, unit: V, resolution: 1 }\n  B: { from: M.S }\n`);
      assert.match(checkCanSource(source({ id: "v", profile: file }))[0]!.message, /mine\.yaml:9: .*too coarse/);
      await writeFile(file, `${head}checksum:\n  N: { crc8: 7, over: 7, at: 7 }\nsignals:\n  A: { from: M.T }\n`);
      const issues = checkCanSource(source({ id: "v", profile: file }));
      assert.equal(issues.length, 2);
      assert.match(issues[0]!.message, /mine\.yaml:11: signals\.A\.from: names signal T/);
      assert.match(issues[1]!.message, /mine\.yaml:9: checksum\.N: is no message/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

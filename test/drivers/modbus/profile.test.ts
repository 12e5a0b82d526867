import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { parse } from "yaml";
import { modbusSourceConfig } from "../../../drivers/modbus/config.ts";
import { checkModbusSource, createModbusDriver } from "../../../drivers/modbus/driver.ts";
import { loadModbusProfile } from "../../../drivers/modbus/profile.ts";
import { profileIds, readProfileYaml } from "../../../drivers/profile.ts";

const folder = mkdtempSync(join(tmpdir(), "busbar-profiles-"));
after(() => rmSync(folder, { recursive: true }));
const good = readFileSync("test/fixtures/modbus/ten.yaml", "utf8");

/** The error of a profile with one thing changed, without the file's name. */
function errorOf(from: string, to: string): string {
  const path = join(folder, "profile.yaml");
  assert.ok(good.includes(from), from);
  writeFileSync(path, good.replace(from, to));
  try {
    loadModbusProfile(path);
    return "";
  } catch (error) {
    assert.equal((error as { code: string }).code, "PROFILE_INVALID");
    return (error as Error).message.replaceAll(path, "FILE");
  }
}

suite("the profiles that come with the gateway", () => {
  for (const id of profileIds("modbus")) {
    test(`${id} is called like its file, cites its source and passes the lint`, () => {
      const profile = loadModbusProfile(id);
      const data = readProfileYaml(id, "modbus").data as { source: string; vendor: string };
      assert.equal(profile.id, id);
      assert.match(data.source, /\w+ .*(\.pdf|[0-9a-f]{7}|V?\d)/);
      assert.ok(profile.signals.length > 0);
    });
  }

  test("have every readable register that the fact sheets list", () => {
    // test/fixtures/modbus/registers.yaml: name, address, function, type, scale and unit as other projects read them.
    const facts = parse(readFileSync("test/fixtures/modbus/registers.yaml", "utf8")) as Record<
      string,
      { name: string; addr: number; fc: number; type: string; scale?: number; unit?: string }[]
    >;
    let compared = 0;
    for (const [id, registers] of Object.entries(facts)) {
      const { signals } = loadModbusProfile(id);
      for (const fact of registers) {
        const signal = signals.find(({ at, fc }) => at === fact.addr && fc === fact.fc);
        assert.ok(signal !== undefined, `${id} ${fact.name}`);
        const [factor, unit] = fact.unit?.startsWith("k") ? [1000, fact.unit.slice(1)] : [1, fact.unit];
        if (fact.type !== "bytes") assert.equal(signal.type, fact.type, `${id} ${fact.name}`);
        assert.equal(signal.unit, unit, `${id} ${fact.name}`);
        assert.equal(signal.scale, (fact.scale ?? 1) * factor, `${id} ${fact.name}`);
        compared++;
      }
      assert.equal(signals.length, registers.length, id);
    }
    assert.equal(compared, 65);
  });
});

suite("what is wrong with a profile is said with file, line and remedy", () => {
  const rows: [string, string, string, RegExp][] = [
    [
      "a unit that the measurand does not have",
      "unit: W,",
      "unit: VA,",
      /^FILE:13: signals\.Power\.Active\.Import\.unit: is VA; allowed for .*: W$/,
    ],
    [
      "a resolution that is too coarse",
      "unit: Wh, resolution: 1,",
      "unit: Wh, resolution: 10,",
      /^FILE:14: .*too coarse; allowed: up to 1 Wh$/,
    ],
    ["no resolution", "unit: W, resolution: 1", "unit: W", /resolution: is missing$/],
    ["a number beyond the last register", "at: 8,", "at: 65535,", /2 registers from 65535 end beyond 65535$/],
    ["an address that is none", "at: 8,", "at: 70000,", /^FILE:14: signals.*at: /],
    ["registers read in two ways", "at: 8,", "at: 5,", /^FILE:14: .*overlaps Power\.Active\.Import \(i32 at 4\)/],
    ["a poll group that is not there", "poll: slow", "poll: rare", /"rare" is no poll group; allowed: fast, slow$/],
    [
      "a key that is none",
      "scale: 0.1, unit: V, resolution: 0.1 }\n  Voltage.L2",
      "scales: 0.1, unit: V, resolution: 0.1 }\n  Voltage.L2",
      /^FILE:11: .*scales/,
    ],
    ["a missing source", 'source: "made for the tests of the Modbus driver"\n', "", /^FILE:2: source: /],
    ["YAML that is none", "kind: meter", "kind: [meter", /^FILE:\d+: /],
    [
      "a state that OCPP does not have",
      "Voltage.L1-N: { at: 0, type: u16, scale: 0.1, unit: V, resolution: 0.1 }",
      "Status: { at: 0, type: u16, enum: { 1: Charging } }",
      /Charging is no OCPP connector state/,
    ],
    [
      "a text without its size",
      "Power.Active.Import: { at: 4, type: i32, unit: W, resolution: 1 }",
      "SerialNumber: { at: 4, type: ascii }",
      /ascii needs words/,
    ],
    ["a scale of zero", "scale: 0.1, unit: V", "scale: 0, unit: V", /would make every value 0/],
  ];
  for (const [name, from, to, message] of rows) {
    test(name, () => assert.match(errorOf(from, to), message));
  }

  test("all of it at once", () => {
    const message = errorOf("unit: W, resolution: 1", "unit: A, resolution: 1, poll: rare");
    assert.equal(message.split("\n").length, 3);
  });

  test("an id that is not there names the nearest one and all others", () => {
    assert.throws(() => loadModbusProfile("eastron-sdm360"), /did you mean eastron-sdm630\? there are: abb-terra-ac, /);
    assert.throws(() => loadModbusProfile("heidelberg"), /did you mean heidelberg-energy-control\?/);
    assert.throws(() => loadModbusProfile("../modbus"), { code: "PROFILE_INVALID" });
    assert.throws(() => loadModbusProfile("./missing.yaml"), /missing\.yaml: cannot be read/);
  });

  test("garbage instead of a profile is an error, not a crash", () => {
    for (const text of [
      "",
      "[]",
      "- 1",
      "~",
      "\u0000\u0001",
      "a: &x [*x]",
      "*nothing",
      "profile: 1\nsignals: 7",
      "8E1",
    ]) {
      const path = join(folder, "garbage.yaml");
      writeFileSync(path, text);
      assert.throws(() => loadModbusProfile(path), { code: "PROFILE_INVALID" });
    }
  });

  test("a serial line's 8E1 is no number, and every part of serial may be left out", () => {
    assert.equal(loadModbusProfile("heidelberg-energy-control").format, "8E1");
    assert.equal(errorOf("read:", "serial: { baud: 9600 }\nread:"), "");
  });
});

suite("the driver says what it will emit", () => {
  const source = (devices: unknown[]) =>
    modbusSourceConfig.parse({ id: "rs485", driver: "modbus", rtu: { port: "/dev/ttyX" }, devices });

  test("with the interval of the source in the first group", () => {
    const device = { id: "m", profile: "./test/fixtures/modbus/ten.yaml", poll_interval: "2 s" };
    const driver = createModbusDriver(source([device]));
    assert.equal(driver.label, "modbus rtu /dev/ttyX");
    const [asset] = driver.assets;
    assert.deepEqual(
      [asset!.id, asset!.kind, asset!.source, asset!.profile, asset!.metrology],
      ["m", "meter", "rs485", "ten", "none"],
    );
    const energy = {
      name: "Energy.Active.Import.Register",
      type: "number",
      unit: "Wh",
      resolution: 1,
      maxAgeMs: 30_000,
      collect: "every",
    };
    assert.deepEqual(
      asset!.signals.find(({ name }) => name.startsWith("Energy")),
      energy,
    );
    assert.equal(asset!.signals.find(({ name }) => name === "Voltage.L1-N")!.maxAgeMs, 6000);
  });

  test("with the texts of an enumeration, each once", () => {
    const driver = createModbusDriver(source([{ id: "w", profile: "heidelberg-energy-control" }]));
    const status = driver.assets[0]!.signals.find(({ name }) => name === "Status")!;
    assert.deepEqual([status.type, status.enum], ["enum", ["Available", "Occupied", "Unavailable"]]);
  });

  test("a check tells each broken profile by its device", () => {
    const issues = checkModbusSource(
      source([
        { id: "a", profile: "abb-terra-ac" },
        { id: "b", profile: "nope" },
      ]),
    );
    assert.deepEqual(
      issues.map(({ path }) => path),
      [["devices", 1, "profile"]],
    );
    assert.match(issues[0]!.message, /no modbus profile "nope"/);
  });
});

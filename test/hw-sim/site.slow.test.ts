import assert from "node:assert/strict";
import { once } from "node:events";
import { renameSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { loadScenario } from "../../hw-sim/scenario.ts";
import { hex, ledgerOf, RawClient, readLedger, until } from "./raw-client.ts";
import {
  addressOf,
  depot,
  newFolder,
  READ_ENERGY_CONTROL,
  READ_METER,
  READ_WALLBOX,
  start,
  WALLBOX_REPLY_BYTES,
} from "./running-site.ts";

test("sources name real ports, profiles and units, and fit a gateway's file", async () => {
  await using site = await start();
  const [wallbox, , serial, can] = site.sources;
  assert.deepEqual(wallbox, {
    id: "lan-1",
    driver: "modbus",
    tcp: addressOf(site, "lan-1"),
    devices: [{ id: "wallbox-1", unit: 1, profile: "abb-terra-ac", poll_interval: "1 s" }],
  });
  assert.ok(addressOf(site, "lan-1").port > 0);
  assert.deepEqual((serial as { devices: unknown }).devices, [
    { id: "wallbox-3", unit: 1, profile: "heidelberg-energy-control", poll_interval: "1 s" },
    { id: "meter-1", unit: 2, profile: "eastron-sdm630", poll_interval: "1 s" },
  ]);
  assert.equal((can as { interface: unknown }).interface, "sim:depot");
  assert.deepEqual(
    site.assets.map(({ id }) => id),
    ["wallbox-1", "wallbox-2", "wallbox-3", "meter-1", "van-7"],
  );
});

test("the ledger tells what a client decodes by hand from the bytes it got over TCP", async () => {
  await using site = await start();
  await site.command("plug", "wallbox-1");
  using client = await RawClient.to(addressOf(site, "lan-1"));
  const before = Date.now();
  const reply = await client.ask(READ_WALLBOX, WALLBOX_REPLY_BYTES);
  assert.equal(reply.subarray(0, 9).toString("hex"), "000700000043010340");
  const word = (register: number): number => reply.readUInt32BE(9 + 2 * (register - 0x4000));
  const [line] = await ledgerOf(site.ledgerPath, "wallbox-1", 1);
  assert.ok(line!.ts >= before && line!.ts <= Date.now());
  assert.equal(line!.spoilt, undefined);
  const { signals } = line!;
  assert.equal(signals["Voltage.L1-N"], word(0x4016) / 10);
  assert.equal(signals["Current.Rated"], 32);
  assert.equal(signals["Power.Active.Import"], word(0x401c));
  assert.equal(signals["Energy.Active.Import.Session"], word(0x401e));
  assert.equal(reply.readUInt8(9 + 2 * 12 + 2) & 0x7f, 2, "B2: the car is in");
  assert.equal(signals.Status, "Occupied");
  assert.equal(signals.SerialNumber, reply.subarray(9, 17).toString("hex"));
  assert.equal(signals.FirmwareVersion, "0.1.0");
  assert.equal(Object.keys(signals).length, 15);
  // Two registers of a pair of two: only what is wholly there is told.
  await client.ask("0008 0000 0006 01 03 4017 0003", 9 + 6);
  const [, partial] = await ledgerOf(site.ledgerPath, "wallbox-1", 2);
  assert.deepEqual(Object.keys(partial!.signals), ["Voltage.L2-N"]);
});

test("several units share a serial line; a client decodes integers and floats by hand", async () => {
  await using site = await start();
  using client = await RawClient.to(addressOf(site, "rs485"));
  const box = await client.ask(READ_ENERGY_CONTROL, 5 + 28);
  assert.equal(box.subarray(0, 3).toString("hex"), "01041c");
  const [boxLine] = await ledgerOf(site.ledgerPath, "wallbox-3", 1);
  assert.equal(boxLine!.signals.Status, { 2: "Available", 5: "Occupied", 7: "Occupied" }[box.readUInt16BE(3)]);
  assert.equal(boxLine!.signals["Voltage.L1-N"], box.readUInt16BE(3 + 10));
  assert.equal(boxLine!.signals.Temperature, box.readInt16BE(3 + 8) / 10);
  assert.equal(boxLine!.signals["Energy.Apparent.Import"], box.readUInt32BE(3 + 24));
  const meter = await client.ask(READ_METER, 5 + 44);
  const [meterLine] = await ledgerOf(site.ledgerPath, "meter-1", 1);
  assert.equal(meterLine!.signals["Power.Active.Import"], Math.round(meter.readFloatBE(3)));
  assert.equal(meterLine!.signals.Frequency, Math.round(meter.readFloatBE(3 + 36) * 100) / 100);
  const energyWh = meter.readFloatBE(3 + 40) * 1000;
  assert.ok(Math.abs(Number(meterLine!.signals["Energy.Active.Import.Register"]) - energyWh) <= 0.5);
  assert.ok(Number.isInteger(meterLine!.signals["Energy.Active.Import.Register"]));
});

test("unknown units stay silent, exceptions serve nothing, writes are refused", async () => {
  await using site = await start();
  using client = await RawClient.to(addressOf(site, "rs485"));
  // Unit 9 is nobody; the answer that comes is unit 2's.
  const silent = "09 04 0000 0001 3082";
  const refused = await client.ask(`${silent} 01 06 0105 0064 99DC`, 5);
  assert.equal(refused.toString("hex"), "01860183a0");
  const noSuchRegister = await client.ask("01 04 1000 0001 350A", 5);
  assert.equal(noSuchRegister.toString("hex"), "018402c2c1");
  await until("counted", () => site.state().lines[2]!.counters.requests === 3);
  const { counters } = site.state().lines[2]!;
  assert.deepEqual([counters.unknownUnit, counters.exceptions, counters.replies], [1, 2, 2]);
  await site[Symbol.asyncDispose]();
  assert.deepEqual(readLedger(site.ledgerPath), []);
});

test("CAN frames are in the ledger exactly when a client got them", async () => {
  await using site = await start();
  const path = join(site.dir, "depot.sock");
  const { counters } = site.state().lines[3]!;
  await until("frames nobody hears", () => site.state().lines[3]!.counters.unheard! > counters.unheard!);
  assert.deepEqual(readLedger(site.ledgerPath), []);
  using client = await RawClient.to(path);
  await until("every kind of frame", () => client.received.includes(" 4A0#") && client.received.includes(" 5C5#"));
  await site[Symbol.asyncDispose]();
  await until("end", () => client.closed);
  const frames = client.received.toString("latin1").split("\n").slice(0, -1);
  const ledger = readLedger(site.ledgerPath);
  assert.equal(ledger.length, frames.length);
  for (const [i, frame] of frames.entries()) {
    const [, stamp, id, data] = /^\((\d+\.\d{6})\) sim0 ([0-9A-F]{3})#([0-9A-F]{16})$/.exec(frame)!;
    const { ts, asset, signals, spoilt } = ledger[i]!;
    assert.deepEqual([asset, spoilt], ["van-7", undefined]);
    assert.equal(ts, Math.floor(Number(stamp) * 1000 + 1e-6), "the ledger's time is the frame's stamp");
    if (id === "257") {
      const raw = (hex(data!).readUInt16LE(1) >> 4) & 0xfff;
      assert.ok(Math.abs((signals["Vehicle.Speed"] as number) - (raw * 0.08 - 40)) < 1e-9);
    }
    if (id === "5C5") assert.equal(signals["Vehicle.TraveledDistance"], hex(data!).readUIntLE(0, 3) / 10);
  }
});

test("a stale bus socket is replaced, a served one is not", async () => {
  const dir = newFolder();
  await using first = await start({ simDir: dir });
  assert.ok(first.controlUrl);
  await assert.rejects(start({ simDir: dir }), { code: "PORT_IN_USE", message: /another simulator serves it/ });
  const staleDir = newFolder();
  const stale = createServer();
  stale.listen(join(staleDir, "depot.sock.old"));
  await once(stale, "listening");
  // A closed server removes its file; a killed one leaves it, which a rename stands for.
  renameSync(join(staleDir, "depot.sock.old"), join(staleDir, "depot.sock"));
  await new Promise((resolve) => stale.close(resolve));
  await using second = await start({ simDir: staleDir });
  using client = await RawClient.to(join(staleDir, "depot.sock"));
  await until("frames", () => client.received.length > 0);
  assert.ok(second.controlUrl);
});

test("a hundred units answer on one port", async () => {
  const many = loadScenario(new URL("../../hw-sim/scenarios/hundred-units.yaml", import.meta.url).pathname);
  await using site = await start({}, many);
  using client = await RawClient.to(addressOf(site, "block"));
  const ask = (unit: number): Promise<Buffer> => {
    return client.ask(`0001 0000 0006 ${unit.toString(16).padStart(2, "0")} 04 0000 000A`, 9 + 20);
  };
  for (let unit = 1; unit <= 100; unit++) assert.equal((await ask(unit))[6], unit);
  assert.notDeepEqual(await ask(1), await ask(1), "values change with each read");
  const lines = await ledgerOf(site.ledgerPath, "unit-100", 1);
  assert.equal(Object.keys(lines[0]!.signals).length, 10);
});

test("cut closes and refuses over TCP, restore serves the same port again", async () => {
  await using site = await start();
  const address = addressOf(site, "lan-1");
  using client = await RawClient.to(address);
  await client.ask(READ_WALLBOX, WALLBOX_REPLY_BYTES);
  await site.command("cut", "wallbox-1");
  await until("closed", () => client.closed);
  const refused = connect(address.port, address.host);
  const [error] = (await once(refused, "error")) as [NodeJS.ErrnoException];
  assert.equal(error.code, "ECONNREFUSED");
  assert.deepEqual(site.state().assets[0]!.faults, ["cut"]);
  await site.command("restore", "wallbox-1");
  using again = await RawClient.to(address);
  await again.ask(READ_WALLBOX, WALLBOX_REPLY_BYTES);
  assert.deepEqual(site.state().assets[0]!.faults, []);
});

test("a cut unit on a shared line is silent, its neighbour answers", async () => {
  await using site = await start();
  using client = await RawClient.to(addressOf(site, "rs485"));
  await site.command("cut", "wallbox-3");
  const reply = await client.ask(`${READ_ENERGY_CONTROL} ${READ_METER}`, 5 + 44);
  assert.equal(reply[0], 2);
  assert.deepEqual(client.received, Buffer.alloc(0));
  await site.command("restore", "wallbox-3");
  assert.equal((await client.ask(READ_ENERGY_CONTROL, 5 + 28))[0], 1);
});

test("garbled, truncated and late replies are marked spoilt, and are", async () => {
  await using site = await start();
  using serial = await RawClient.to(addressOf(site, "rs485"));
  const good = await serial.ask(READ_METER, 5 + 44);
  await site.command("garble", "rs485");
  const garbled = await serial.ask(READ_METER, 5 + 44);
  assert.notDeepEqual(garbled, good);
  await site.command("restore", "rs485");
  await site.command("truncate", "meter-1");
  const part = await serial.ask(READ_METER, 24);
  assert.equal(part.subarray(0, 3).toString("hex"), "02042c");
  await site.command("restore", "meter-1");
  await site.command("late", "meter-1", 120);
  const askedAt = performance.now();
  await serial.ask(READ_METER, 5 + 44);
  assert.ok(performance.now() - askedAt >= 118);
  await site.command("restore", "meter-1");
  await serial.ask(READ_METER, 5 + 44);
  const lines = await ledgerOf(site.ledgerPath, "meter-1", 5);
  assert.deepEqual(
    lines.map(({ spoilt }) => spoilt),
    [undefined, true, true, true, undefined],
  );
});

test("a frozen device repeats itself", async () => {
  await using site = await start({}, { ...depot, time_scale: 1000 });
  using client = await RawClient.to(addressOf(site, "rs485"));
  await site.command("freeze", "meter-1");
  const first = await client.ask(READ_METER, 5 + 44);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(await client.ask(READ_METER, 5 + 44), first);
  await site.command("restore", "meter-1");
  assert.notDeepEqual(await client.ask(READ_METER, 5 + 44), first);
});

test("commands over HTTP do the same, and say what is wrong with their names", async () => {
  const asked: string[] = [];
  await using site = await start({
    onCommand: (verb, target) => {
      asked.push(`${verb} ${target}`);
      return target === "uplink";
    },
  });
  const post = async (path: string): Promise<{ status: number; text: string }> => {
    const response = await fetch(`${site.controlUrl}${path}`, { method: "POST" });
    return { status: response.status, text: await response.text() };
  };
  assert.equal((await post("/plug/wallbox-2")).status, 200);
  assert.equal(site.state().assets[1]!.now!.phase, "waiting");
  assert.match((await post("/plug/wallbox-2")).text, /wallbox-2 is plugged already/);
  assert.equal((await post("/unplug/wallbox-2")).status, 200);
  assert.equal((await post("/plug/van-7")).status, 200);
  assert.equal(site.state().assets[4]!.now!.driving, false);
  assert.equal((await post("/late/meter-1?ms=750")).status, 200);
  assert.deepEqual(site.state().assets[3]!.faults, ["late 750 ms"]);
  assert.equal((await post("/derate/wallbox-1?percent=10")).status, 200);
  assert.deepEqual(site.state().assets[0]!.faults, ["derated by 10 %"]);
  assert.equal((await post("/restore/wallbox-1")).status, 200);
  assert.deepEqual(site.state().assets[0]!.faults, []);
  assert.equal((await post("/cut/uplink")).status, 200);
  assert.equal((await post("/restore/uplink")).status, 200);
  assert.deepEqual(asked, ["cut uplink", "restore uplink"]);
  const wrong: readonly (readonly [path: string, status: number, text: RegExp])[] = [
    ["/cut/nobody", 400, /nobody is no device or line of this site; allowed: lan-1, wallbox-1/],
    ["/explode/meter-1", 400, /explode is no command; allowed: cut, restore/],
    ["/late/van-7", 400, /late has no meaning for van-7; allowed: /],
    ["/plug/meter-1", 400, /plug has no meaning for meter-1/],
    ["/late/meter-1?ms=nonsense", 400, /ms is out of range/],
    ["/derate/wallbox-1?percent=100", 400, /percent is out of range; allowed: 1 to 90/],
    ["/derate/meter-1", 400, /derate has no meaning for meter-1/],
    ["/cut/%E0%A4", 400, /URI malformed/],
    ["/cut", 404, /allowed: GET/],
  ];
  for (const [path, status, text] of wrong) {
    const answer = await post(path);
    assert.equal(answer.status, status, path);
    assert.match(answer.text, text);
  }
  const state = (await (await fetch(site.controlUrl)).json()) as { ledger: string; assets: { id: string }[] };
  assert.equal(state.ledger, site.ledgerPath);
  assert.equal(state.assets.length, 5);
});

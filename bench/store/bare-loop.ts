/**
 * The gateway's job done naively in one script: modbus-serial polls 100 units once a second, better-sqlite3 commits their
 * readings, mqtt.js publishes them every ten seconds and deletes what was acknowledged. No identity, no order after a
 * failure, no retention, no datagrams, no status: what the least that works costs.
 * `node bare-loop.ts MODBUS_PORT MQTT_PORT DB_FILE`; SIGTERM publishes the rest and ends it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import BetterSqlite3 from "better-sqlite3";
import modbusSerial from "modbus-serial";
import { connectAsync } from "mqtt";
import { ASSETS, PUBLISH_INTERVAL_S, QUANTITIES } from "./load.ts";

interface Row {
  readonly id: number;
  readonly asset: string;
  readonly ts: number;
  readonly json: string;
}

const [modbusPort, mqttPort] = process.argv.slice(2, 4).map(Number);
const db = new BetterSqlite3(process.argv[4] ?? "");
db.pragma("journal_mode = WAL", { simple: true });
db.pragma("synchronous = FULL", { simple: true });
db.exec("CREATE TABLE reading(id INTEGER PRIMARY KEY, asset TEXT NOT NULL, ts INTEGER NOT NULL, json TEXT NOT NULL)");
const insert = db.prepare<[string, number, string], never>("INSERT INTO reading(asset, ts, json) VALUES(?,?,?)");
const all = db.prepare<[], Row>("SELECT * FROM reading ORDER BY asset, id");
const forget = db.prepare<[number], never>("DELETE FROM reading WHERE id <= ?");

const modbus = new modbusSerial.default();
await modbus.connectTCP("127.0.0.1", { port: modbusPort ?? 502 });
modbus.setTimeout(1000);
const mqtt = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`, { protocolVersion: 4 });

async function poll(): Promise<void> {
  const readings: { asset: string; ts: number; values: Record<string, number> }[] = [];
  for (let unit = 1; unit <= ASSETS; unit++) {
    modbus.setID(unit);
    const { data } = await modbus.readInputRegisters(0, QUANTITIES.length);
    const values: Record<string, number> = {};
    for (const [i, { name, perUnit }] of QUANTITIES.entries()) values[name] = (data[i] ?? 0) / perUnit;
    readings.push({ asset: `unit-${unit}`, ts: Date.now(), values });
  }
  db.exec("BEGIN");
  for (const { asset, ts, values } of readings) insert.run(asset, ts, JSON.stringify(values));
  db.exec("COMMIT");
}

async function publish(): Promise<void> {
  const byAsset = new Map<string, { ts: number; values: unknown }[]>();
  let last = 0;
  for (const { id, asset, ts, json } of all.all()) {
    const samples = byAsset.get(asset) ?? [];
    byAsset.set(asset, samples);
    samples.push({ ts, values: JSON.parse(json) as unknown });
    last = Math.max(last, id);
  }
  const sent = [...byAsset].map(([asset, samples]) => {
    return mqtt.publishAsync(`bare/data/${asset}`, JSON.stringify({ asset, samples }), { qos: 1 });
  });
  await Promise.all(sent);
  forget.run(last);
}

const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
let publishing: Promise<void> = Promise.resolve();
const startMs = performance.now();
for (let second = 1; !stop.signal.aborted; second++) {
  await poll();
  if (second % PUBLISH_INTERVAL_S === 0) publishing = publish();
  await sleep(Math.max(0, startMs + 1000 * second - performance.now()), undefined, { signal: stop.signal }).catch(
    () => {},
  );
}
await publishing;
await publish();
await mqtt.endAsync();
modbus.close(() => db.close());

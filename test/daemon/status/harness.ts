import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as netConnect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { LocalStatus } from "../../../daemon/status/local-status.ts";
import type { FromStatus, StatusInit } from "../../../daemon/status/protocol.ts";
import { statusInit, until } from "./messages.ts";

type Ready = Extract<FromStatus, { type: "ready" }>;

export interface Running {
  readonly status: LocalStatus;
  readonly ready: Ready;
  readonly stop: () => Promise<void>;
}

/** A LocalStatus on free ports that ends with the test. */
export async function start(t: TestContext, changes: Partial<StatusInit> = {}, retryMs = 50): Promise<Running> {
  const abort = new AbortController();
  const messages: FromStatus[] = [];
  const status = new LocalStatus(statusInit(changes), {
    post: (message) => messages.push(message),
    retryMs,
    tickMs: 20,
  });
  const ended = status.run(abort.signal);
  const stop = async (): Promise<void> => {
    abort.abort();
    await ended;
  };
  t.after(stop);
  await until(() => messages.length > 0);
  const ready = messages[0];
  assert.equal(ready?.type, "ready");
  return { status, ready: ready as Ready, stop };
}

export interface Message {
  readonly payload: string;
  readonly retain: boolean;
}

/** A connected MQTT 3.1.1 client that keeps the last message of each topic it sees. */
export async function client(t: TestContext, running: Running, options: IClientOptions = {}) {
  const connection: MqttClient = await mqtt.connectAsync(`mqtt://127.0.0.1:${running.ready.mqttPort}`, {
    protocolVersion: 4,
    reconnectPeriod: 0,
    ...options,
  });
  t.after(() => connection.end(true));
  const seen = new Map<string, Message>();
  connection.on("message", (topic, payload, { retain }) => {
    seen.set(topic, { payload: payload.toString(), retain });
  });
  return { connection, seen };
}

/** A raw TCP connection to the local broker, for what no client library would send. */
export async function rawClient(t: TestContext, running: Running): Promise<Socket> {
  const socket = netConnect(running.ready.mqttPort ?? 0, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** MQTT-3.1: CONNECT of protocol level `level`, clean, no keep alive, client id of one letter. */
export function connectPacket(level: number, letter: string): Buffer {
  const properties = level === 5 ? [0] : [];
  const body = [0, 4, ...Buffer.from("MQTT"), level, 2, 0, 0, ...properties, 0, 1, ...Buffer.from(letter)];
  return Buffer.from([0x10, body.length, ...body]);
}

/**
 * The simulated gateways: one process, `--url` of the MQTT server. Gateways share connections (gateway n is on connection
 * n mod C); everything goes out at QoS 1 and every record has an identity of its own, in order per gateway. It does what
 * the parent tells it, one Order after the other, and answers each.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connectAsync, type MqttClient } from "mqtt";
import { type Framing, type Publish, SimulatedGateway } from "./records.ts";

/** So many records, one gateway after the other. */
export interface Order {
  readonly gateways: number;
  readonly records: number;
  readonly framing: Framing;
  /** Undefined: as fast as the server takes them. */
  readonly perS: number | undefined;
}

export interface Done {
  readonly wallMs: number;
  /** Of all that was sent since the start: PUBACKs that came. */
  readonly sent: number;
  readonly payloadBytes: number;
  readonly receipts: number;
}

const CONNECTIONS = 250;
const TICK_MS = 20;
/** Of one connection, flat out. */
const MOST_IN_FLIGHT = 20;
const CONNECTING_AT_ONCE = 25;
const RECEIVE_MAXIMUM = 100;

interface Connection {
  readonly client: MqttClient;
  inFlight: number;
}

const { values } = parseArgs({ options: { url: { type: "string", default: "" } } });
const gateways: SimulatedGateway[] = [];
const connections: Connection[] = [];
let next = 0;
let sent = 0;
let payloadBytes = 0;
let receipts = 0;

process.on("message", (order: Order) => {
  void carryOut(order).then((done) => process.send?.(done));
});

async function carryOut(order: Order): Promise<Done> {
  await provide(order.gateways);
  const goal = sent + order.records;
  let begun = sent;
  const startedMs = performance.now();
  while (sent < goal) {
    const due = order.perS === undefined ? order.records : ((performance.now() - startedMs) / 1000) * order.perS;
    const target = Math.min(goal, goal - order.records + Math.floor(due));
    while (begun < target && publishNext(order)) begun++;
    // Flat out an acknowledgement makes room for the next; there is no point in asking sooner than it can come.
    await sleep(order.perS === undefined ? 1 : TICK_MS);
  }
  return { wallMs: performance.now() - startedMs, sent, payloadBytes, receipts };
}

/** False when all connections have as much under way as they may. */
function publishNext({ gateways: active, framing }: Order): boolean {
  for (let tried = 0; tried < active; tried++) {
    const number = next++ % active;
    const connection = connections[number % connections.length];
    const gateway = gateways[number];
    if (connection === undefined || gateway === undefined || connection.inFlight >= MOST_IN_FLIGHT) continue;
    const publish = gateway.next(framing);
    payloadBytes += publish.payload.length;
    connection.inFlight++;
    connection.client.publish(publish.topic, publish.payload, { qos: 1 }, (error) => {
      // Nobody sends again: a run with an error is void, which the count of identities shows.
      connection.inFlight--;
      if (error === null || error === undefined) sent++;
    });
    return true;
  }
  return false;
}

/** Connects what is missing; each new gateway subscribes to its receipts and says that it is there. */
async function provide(wanted: number): Promise<void> {
  while (connections.length < Math.min(wanted, CONNECTIONS)) {
    const room = Math.min(CONNECTING_AT_ONCE, Math.min(wanted, CONNECTIONS) - connections.length);
    connections.push(...(await Promise.all(Array.from({ length: room }, (_, i) => connect(connections.length + i)))));
  }
  const arrived: Promise<unknown>[] = [];
  for (let number = gateways.length; number < wanted; number++) {
    const gateway = new SimulatedGateway(number);
    gateways.push(gateway);
    const client = connections[number % connections.length]?.client;
    if (client === undefined) continue;
    arrived.push(client.subscribeAsync(gateway.receiptTopic, { qos: 1 }));
    for (const publish of gateway.presence()) arrived.push(tell(client, publish));
  }
  await Promise.all(arrived);
}

async function connect(number: number): Promise<Connection> {
  const properties = { receiveMaximum: RECEIVE_MAXIMUM };
  const options = { clientId: `connection-${number}`, clean: true, protocolVersion: 5, properties } as const;
  const client = await connectAsync(values.url, { ...options, reconnectPeriod: 0 });
  client.on("message", () => receipts++);
  return { client, inFlight: 0 };
}

async function tell(client: MqttClient, { topic, payload }: Publish): Promise<void> {
  await client.publishAsync(topic, payload, { qos: 1, retain: true });
}

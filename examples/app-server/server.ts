/** Kafka → state → HTTP and WebSocket. */
import { createServer } from "node:http";
import { type Range, startReading } from "../common/kafka.ts";
import { readRecord } from "../common/record.ts";
import { Push, type PushOptions } from "./push.ts";
import { answer } from "./rest.ts";
import { State } from "./state.ts";

export interface AppServerOptions extends Partial<PushOptions> {
  readonly brokers: readonly string[];
  readonly prefix: string;
  readonly host: string;
  readonly port: number;
  /** How far back telemetry is read at a start. */
  readonly tailMs: number;
  failed(error: Error): void;
}

export interface AppServer extends AsyncDisposable {
  readonly url: string;
  /** Resolves when the state is as far as Kafka was at the start; until then everything but /health is refused. */
  readonly ready: Promise<void>;
  readonly clients: number;
}

const BUFFER_BYTES = 1 << 20;
const PATIENCE_MS = 30_000;

/** Throws when the port is taken, or Kafka does not answer. */
export async function startAppServer(options: AppServerOptions): Promise<AppServer> {
  await using opened = new AsyncDisposableStack();
  let ready = false;
  const state: State = new State({
    values: (gateway, asset, signals) => push.values(gateway, asset, signals),
    session: (session) => push.session(session),
  });
  const { bufferBytes = BUFFER_BYTES, patienceMs = PATIENCE_MS } = options;
  const push = opened.use(new Push(state, { bufferBytes, patienceMs }));
  const server = createServer((request, response) => answer(request, response, { state, ready }));
  server.on("upgrade", (request, socket, head) => {
    if (ready) push.upgrade(request, socket, head);
    else socket.end("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  opened.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const name = (topic: string): string => `${options.prefix}.${topic}`;
  const tail: Range = { from: Date.now() - options.tailMs };
  const reading = opened.use(
    await startReading({
      brokers: options.brokers,
      // The compacted ones are read whole: they are the state.
      topics: new Map([
        [name("gateways"), {}],
        [name("sessions"), {}],
        [name("events"), tail],
        [name("telemetry"), tail],
      ]),
      take: ({ topic, key, value }) => {
        if (topic === name("gateways")) state.takeGateway(key, value);
        else {
          const record = readRecord(value);
          if (record !== undefined) state.takeRecord(record);
        }
      },
      failed: options.failed,
    }),
  );
  const all = opened.move();
  const { address, port } = server.address() as { address: string; port: number };
  return {
    url: `http://${address.includes(":") ? `[${address}]` : address}:${port}`,
    ready: reading.caughtUp.then(() => {
      ready = true;
    }),
    get clients() {
      return push.clients;
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

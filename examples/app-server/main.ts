/**
 * `node examples/app-server/main.ts --brokers host:port`: latest values and sessions for an app. It keeps nothing, so a
 * signal may end it at any time.
 */
import { parseArgs } from "node:util";
import { brokersIn, durationMs, fail } from "../common/args.ts";
import { startAppServer } from "./server.ts";

const OPTIONS = {
  brokers: { type: "string" },
  prefix: { type: "string", default: "busbar" },
  /** Behind a proxy that knows who may ask: this server asks nobody for a password. */
  listen: { type: "string", default: "127.0.0.1:8070" },
  /** How far back telemetry is read at a start. */
  from: { type: "string", default: "24h" },
} as const;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS });
  const [, host, port] = /^\[?([^\]]+)\]?:(\d{1,5})$/.exec(values.listen) ?? [];
  if (host === undefined) throw new Error(`--listen ${values.listen}: allowed: host:port`);
  const tailMs = durationMs("--from", values.from);
  const failed = (error: Error): never => fail("app-server", error);
  const brokers = brokersIn(values.brokers);
  const server = await startAppServer({ brokers, prefix: values.prefix, host, port: Number(port), tailMs, failed });
  process.stderr.write(`app-server: ${server.url}, the state is being read from Kafka\n`);
  await server.ready;
  process.stderr.write("app-server: ready\n");
}

await main().catch((error: unknown) => fail("app-server", error));

/** `busbar fastpath listen`: what the fast path carries, as it arrives, and what got lost on the way. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { parseArgs } from "node:util";
import { SystemClock } from "../../core/clock.ts";
import { BusbarError, systemCode } from "../../core/errors.ts";
import { sampleJson, sampleText, summaryJson, summaryText } from "../fast-path/format.ts";
import { FastPathListener } from "../fast-path/listener.ts";
import { FastPathReceiver } from "../fast-path/receiver.ts";
import { EXIT_USAGE } from "./exit-codes.ts";

const DEFAULT_PORT = 47_066;
const DEFAULT_GROUP = "239.255.66.66";
/** Lines that nobody reads are not kept for ever. */
const MAX_UNREAD_BYTES = 8 << 20;

export const usage = `busbar fastpath listen [--port ${DEFAULT_PORT}] [--group ${DEFAULT_GROUP}] [--host ADDR] [--json] [--key FILE] [--count N] [--quiet]
  --port N      UDP port
  --group ADDR  multicast group, joined on every interface; with --host: on the interface of that address
  --host ADDR   without --group: hear only what is sent to this address of this machine
  --json        one JSON object a sample, and the summary as {"summary":{…}}
  --key FILE    take only datagrams authenticated with this key (hex digits, at least 32)
  --count N     end after N samples; else Ctrl-C ends it
  --quiet       print the summary only`;

const OPTIONS = {
  port: { type: "string" },
  group: { type: "string" },
  host: { type: "string" },
  json: { type: "boolean", default: false },
  key: { type: "string" },
  count: { type: "string" },
  quiet: { type: "boolean", default: false },
} as const;

interface ListenArgs {
  readonly port: number;
  readonly group: string | undefined;
  readonly host: string | undefined;
  readonly json: boolean;
  readonly key: Uint8Array | undefined;
  readonly count: number;
  readonly quiet: boolean;
}

/** Exit code 0 after Ctrl-C or `--count`, 64 for wrong usage. Throws BusbarError for a key file or a port it cannot use. */
export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  const wrong = wrongUsage(values, positionals);
  if (wrong !== undefined) {
    process.stderr.write(`busbar fastpath: ${wrong}\nusage: ${usage}\n`);
    return EXIT_USAGE;
  }
  const { host, json, quiet } = values;
  await listen({
    port: Number(values.port ?? DEFAULT_PORT),
    group: values.group ?? (host === undefined ? DEFAULT_GROUP : undefined),
    host,
    json,
    key: values.key === undefined ? undefined : readKey(values.key),
    count: Number(values.count ?? Number.POSITIVE_INFINITY),
    quiet,
  });
  return 0;
}

type Given = Readonly<Partial<Record<"port" | "group" | "host" | "count", string>>>;

function wrongUsage(given: Given, [verb, ...more]: readonly string[]): string | undefined {
  if (verb !== "listen")
    return verb === undefined ? "what? allowed: listen" : `unknown verb "${verb}"; allowed: listen`;
  if (more.length > 0) return `"${more.join(" ")}" is too much`;
  const { port = "1", count = "1", group, host } = given;
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) return `--port ${port} is no port; allowed: 0 to 65535`;
  if (!/^[1-9]\d{0,14}$/.test(count)) return `--count ${count} is no number of samples; allowed: 1 and more`;
  for (const [name, address] of Object.entries({ group, host })) {
    if (address !== undefined && isIP(address) === 0) return `--${name} ${address} is no IP address`;
  }
  return undefined;
}

async function listen(options: ListenArgs): Promise<void> {
  const clock = new SystemClock();
  const receiver = new FastPathReceiver(options.key);
  const done = Promise.withResolvers<void>();
  const format = options.json ? sampleJson : sampleText;
  let samples = 0;
  let unprinted = 0;
  const onDatagram = (bytes: Buffer): void => {
    let lines = "";
    for (const sample of receiver.take(bytes, clock.wallUs())) {
      if (samples === options.count) break;
      samples++;
      if (options.quiet) continue;
      if (process.stdout.writableLength > MAX_UNREAD_BYTES) unprinted++;
      else lines += `${format(sample)}\n`;
    }
    if (lines !== "") process.stdout.write(lines);
    if (samples === options.count) done.resolve();
  };
  const { port, group, host } = options;
  const where = {
    port,
    onDatagram,
    ...(group === undefined ? {} : { group }),
    ...(host === undefined ? {} : { host }),
  };
  const listener = new FastPathListener(where);
  const stop = (): void => done.resolve();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  try {
    await listener.open();
    process.stderr.write(`listening on udp port ${listener.port}${group === undefined ? "" : `, group ${group}`}\n`);
    await done.promise;
  } finally {
    listener.close();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, stop);
  }
  const summary = receiver.summary();
  process.stdout.write(`${options.json ? summaryJson(summary) : summaryText(summary)}\n`);
  if (unprinted > 0) process.stderr.write(`${unprinted} samples were not printed: the reader is too slow\n`);
}

/** Throws BusbarError CONFIG_UNREADABLE or CONFIG_INVALID; the key itself is never told. */
function readKey(file: string): Uint8Array {
  let text: string;
  try {
    text = readFileSync(file, "latin1").trim();
  } catch (cause) {
    throw new BusbarError("CONFIG_UNREADABLE", `--key ${file} cannot be read (${systemCode(cause)})`, { cause });
  }
  if (!/^([0-9a-f]{2}){16,128}$/i.test(text)) {
    const remedy = "write it as 32 to 256 hex digits";
    throw new BusbarError("CONFIG_INVALID", `--key ${file} holds no key`, { remedy });
  }
  return Buffer.from(text, "hex");
}

/** `busbar status`: what a running gateway says of itself. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { BusbarError, messageOf, systemCode } from "../../core/errors.ts";
import type { Snapshot } from "../status/protocol.ts";
import { columnsOf, renderTable } from "../status/table.ts";

const DEFAULT_URL = "http://127.0.0.1:8066";
const TIMEOUT_MS = 5000;
/** sysexits.h */
const EXIT_USAGE = 64;
const EXIT_UNAVAILABLE = 69;

export const usage = `busbar status [--url ${DEFAULT_URL}] [--json]   show what a running gateway does
  --url URL              its status page (local.http.listen)
  --username NAME        where the page wants a user name,
  --password-file FILE   and the file whose first line is the password
  --json                 the whole snapshot as one JSON object on stdout
Exit code 0 when it answers, 69 when it does not.`;

const OPTIONS = {
  url: { type: "string", default: DEFAULT_URL },
  username: { type: "string" },
  "password-file": { type: "string" },
  json: { type: "boolean", default: false },
} as const;

interface StatusArgs {
  readonly url: string;
  readonly username?: string | undefined;
  readonly "password-file"?: string | undefined;
  readonly json: boolean;
}

/** Prints the status of the gateway at `--url`. Throws what node:util parseArgs throws. */
export async function run(args: readonly string[]): Promise<number> {
  return show(parseArgs({ args: [...args], options: OPTIONS }).values);
}

async function show(values: StatusArgs): Promise<number> {
  try {
    const snapshot = await fetchSnapshot(values);
    const columns = columnsOf(process.stdout);
    const color = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
    const text = values.json ? `${JSON.stringify(snapshot)}\n` : renderTable(snapshot, columns, { color });
    process.stdout.write(text);
    return 0;
  } catch (error) {
    process.stderr.write(`busbar status: ${messageOf(error)}\n`);
    return error instanceof BusbarError && error.layer === "config" ? EXIT_USAGE : EXIT_UNAVAILABLE;
  }
}

async function fetchSnapshot(values: StatusArgs): Promise<Snapshot> {
  const headers = authorization(values);
  const url = statusUrl(values.url);
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { headers, redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) });
    text = await response.text();
  } catch (cause) {
    throw unreachable(url, cause);
  }
  if (response.status === 401) {
    throw new BusbarError("BUS_DENIED", `${url.origin} wants a user name and password`, {
      remedy: "give --username and --password-file",
    });
  }
  return parseSnapshot(text, response.status, url);
}

function statusUrl(text: string): URL {
  const base = URL.parse(text);
  if (base === null || !/^https?:$/.test(base.protocol))
    throw new BusbarError("CONFIG_INVALID", `--url ${text} is no address`, { remedy: `write it as ${DEFAULT_URL}` });
  return new URL("/api/status", base.origin);
}

function authorization(values: StatusArgs): Record<string, string> {
  const file = values["password-file"];
  if (values.username === undefined && file === undefined) return {};
  if (values.username === undefined || file === undefined)
    throw new BusbarError("CONFIG_INVALID", "--username and --password-file belong together", {
      remedy: "give both or neither",
    });
  let password: string;
  try {
    password = readFileSync(file, "utf8").split("\n", 1)[0]?.replace(/\r$/, "") ?? "";
  } catch (cause) {
    throw new BusbarError("CONFIG_UNREADABLE", `--password-file ${file} cannot be read (${systemCode(cause)})`, {
      cause,
    });
  }
  return { authorization: `Basic ${Buffer.from(`${values.username}:${password}`).toString("base64")}` };
}

function unreachable(url: URL, cause: unknown): BusbarError {
  const inner = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
  const timedOut = cause instanceof Error && cause.name === "TimeoutError";
  const why = timedOut ? `no answer in ${TIMEOUT_MS} ms` : (systemCode(inner) ?? messageOf(inner));
  return new BusbarError("BUS_UNREACHABLE", `no status page at ${url.origin} (${why})`, {
    remedy: "start `busbar run`, or give its local.http.listen address with --url",
    cause,
  });
}

function parseSnapshot(text: string, status: number, url: URL): Snapshot {
  try {
    const value = JSON.parse(text) as Partial<Snapshot> | null;
    if (status === 200 && typeof value?.gateway === "string" && typeof value.assets === "object")
      return value as Snapshot;
  } catch {
    // Not JSON: told below like any other stranger.
  }
  throw new BusbarError("BUS_UNREACHABLE", `${url.origin} answers with ${status}, but not as a Busbar status page`, {
    remedy: "check --url",
  });
}

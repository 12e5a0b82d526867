/** `busbar bridge audit` as a process, on topics of its own. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import type { Writer } from "./records.ts";

const MAIN = fileURLToPath(new URL("../../daemon/cli/main.ts", import.meta.url));
const LIMIT_MS = 300_000;

/** One entry of `streams` in docs/AUDIT.md, as far as tests look at it. */
export interface AuditedStream {
  readonly gateway: string;
  readonly epoch: string;
  readonly stream: string;
  readonly arrived: { readonly count: number; readonly ranges: readonly (readonly [number, number])[] };
  readonly missing: { readonly count: number; readonly ranges: readonly (readonly [number, number])[] };
  readonly doubled: { readonly count: number; readonly seqs: readonly number[] };
  readonly torn: { readonly count: number; readonly seqs: readonly number[] };
  readonly deleted: { readonly count: number; readonly ranges: readonly (readonly [number, number])[] };
  readonly gaps: readonly Readonly<Record<string, unknown>>[];
}

export interface Audited {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Of `--json`. */
  readonly json: {
    readonly complete: boolean;
    readonly totals: Readonly<Record<string, number>>;
    readonly unreadable: { readonly count: number; readonly unread: readonly { readonly why: string }[] };
    readonly streams: readonly AuditedStream[];
  };
}

/** What it prints with `--json`, and its exit code. */
export async function auditJson(brokers: readonly string[], prefix: string, ...more: string[]): Promise<Audited> {
  const ran = await auditRun(brokers, prefix, "--json", ...more);
  if (ran.stdout === "") throw new Error(`the audit printed nothing, exit code ${ran.code}: ${ran.stderr}`);
  return { ...ran, json: JSON.parse(ran.stdout) as Audited["json"] };
}

/** By a bridge's own configuration; `json` is undefined where it could not read Kafka. */
export async function auditOf(
  configFile: string,
): Promise<Omit<Audited, "json"> & { readonly json: Audited["json"] | undefined }> {
  const ran = await runAudit(configFile, ["--json"]);
  return { ...ran, json: ran.stdout === "" ? undefined : (JSON.parse(ran.stdout) as Audited["json"]) };
}

export async function auditRun(
  brokers: readonly string[],
  prefix: string,
  ...more: string[]
): Promise<Omit<Audited, "json">> {
  const dir = mkdtempSync(join(tmpdir(), "busbar-audit-"));
  const file = join(dir, "bridge.yaml");
  const config = {
    version: 1,
    bridge: { id: "audit" },
    mqtt: { url: "mqtt://127.0.0.1:1" },
    kafka: { brokers, topic_prefix: prefix },
  };
  writeFileSync(file, stringify(config));
  try {
    return await runAudit(file, more);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function runAudit(configFile: string, more: readonly string[]): Promise<Omit<Audited, "json">> {
  return new Promise((resolve) => {
    const args = [MAIN, "bridge", "audit", "--config", configFile, ...more];
    const options = { timeout: LIMIT_MS, maxBuffer: 256 * 1024 ** 2 };
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

/** The audited topics as the bridge makes them, under a prefix of the test's own. */
export async function makeTopics({ admin }: Writer, prefix: string, settings: Readonly<Record<string, string>> = {}) {
  const entries = Object.entries({ "message.timestamp.type": "LogAppendTime", ...settings });
  const configEntries = entries.map(([name, value]) => ({ name, value }));
  const names = ["telemetry", "events", "gaps"].map((topic) => `${prefix}.${topic}`);
  await admin.createTopics({ topics: names.map((topic) => ({ topic, numPartitions: 2, configEntries })) });
}

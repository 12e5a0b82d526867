/** `busbar bridge audit`: is everything in Kafka that the gateways ever numbered? */
import { parseArgs } from "node:util";
import { formatConfigError } from "../../config/checked-file.ts";
import { messageOf } from "../../core/errors.ts";
import { Logger } from "../../core/log.ts";
import type { BridgeConfig } from "../config.ts";
import { createKafka } from "../kafka/client.ts";
import { loadBridge } from "../load.ts";
import { topicName } from "../topics.ts";
import { Collector } from "./collect.ts";
import { horizonOf } from "./horizon.ts";
import { judge } from "./judge.ts";
import { readAll } from "./read.ts";
import { isComplete, jsonOf, type Summary, totalsOf } from "./summary.ts";
import { AUDITED, Tally } from "./tally.ts";
import { textOf } from "./text.ts";

const OPTIONS = {
  config: { type: "string" },
  gateway: { type: "string" },
  all: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
} as const;
/** sysexits.h */
const EXIT_USAGE = 64;
const EXIT_UNAVAILABLE = 69;
const EXIT_CONFIG = 78;
const EXIT_INCOMPLETE = 1;
/** A wrong address is told within seconds, a leader's move is waited for. */
const RETRY = { retries: 8, maxRetryTime: 2000 };

interface Wishes {
  readonly gateway: string | undefined;
  readonly all: boolean;
  readonly json: boolean;
}

/** Resolves with the exit code; `usage` is what the command line tells of it. Throws what node:util parseArgs throws. */
export async function audit(args: readonly string[], usage: string): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  if (values.config === undefined) {
    process.stderr.write(`busbar bridge audit: --config FILE is missing\nusage: ${usage}\n`);
    return EXIT_USAGE;
  }
  const loaded = loadBridge(values.config);
  if (!loaded.ok) {
    for (const error of loaded.errors) process.stderr.write(`${formatConfigError(error)}\n`);
    return EXIT_CONFIG;
  }
  const { gateway, all, json } = values;
  try {
    return await auditKafka(loaded.value, { gateway, all, json });
  } catch (error) {
    const brokers = loaded.value.kafka.brokers.join(", ");
    process.stderr.write(`busbar bridge audit: kafka at ${brokers}: ${messageOf(error)}\n`);
    return EXIT_UNAVAILABLE;
  }
}

async function auditKafka({ bridge, kafka: config }: BridgeConfig, wishes: Wishes): Promise<number> {
  const log = new Logger("audit", () => undefined);
  const kafka = await createKafka(config, { clientId: `busbar-audit-${bridge.id}`, log, retry: RETRY });
  const tally = new Tally();
  const collector = new Collector(tally, wishes.gateway);
  const progress = progressLine();
  const prefix = config.topic_prefix;
  const { states, retention } = await readAll(kafka, {
    prefix,
    group: bridge.group,
    take: (read) => collector.take(read),
    progress: progress.show,
  });
  progress.end();
  collector.end();
  const horizon = horizonOf(states, retention, Date.now());
  const verdicts = [...judge(tally, horizon)];
  if (wishes.gateway !== undefined && verdicts.length === 0) {
    // Of one that nobody knows it would be true, and misleading, to say that nothing is missing.
    process.stderr.write(`busbar bridge audit: no record of gateway ${wishes.gateway}; check the id\n`);
    return EXIT_INCOMPLETE;
  }
  const topics = AUDITED.map((topic) => topicName(prefix, topic));
  const { unreadable, unread } = collector;
  const summary: Summary = { totals: totalsOf(verdicts), topics, unreadable, unread };
  for (const part of wishes.json ? jsonOf(verdicts, summary) : textOf(verdicts, summary, wishes.all)) {
    process.stdout.write(part);
  }
  return isComplete(summary) ? 0 : EXIT_INCOMPLETE;
}

/** How far it is, on a terminal. */
function progressLine() {
  const visible = process.stderr.isTTY === true;
  let shownMs = performance.now();
  const write = (text: string): void => void (visible && process.stderr.write(`\r\x1b[K${text}`));
  return {
    show(read: number, all: number): void {
      if (performance.now() - shownMs < 500) return;
      shownMs = performance.now();
      write(`read ${Math.floor((100 * read) / Math.max(1, all))} % of ${all.toLocaleString("en-US")} offsets `);
    },
    end: () => write(""),
  };
}

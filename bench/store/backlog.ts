/** A backlog as an outage leaves it: an outbox full of sealed records, and their payloads in a file for the bare loop. */
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { recordTopicTail, uplinkPrefix } from "../../core/topics.ts";
import type { Outbox } from "../../store-forward/outbox/outbox.ts";
import type { SealedRecord } from "../../store-forward/queue.ts";
import { plainFraming } from "../../store-forward/uplink/frame.ts";
import { ASSETS, GATEWAY, Load, PUBLISH_INTERVAL_S, SAMPLES_PER_SECOND } from "./load.ts";
import { LoadClock, openOutbox } from "./outbox.ts";

export interface Backlog {
  /** Holds nothing but the outbox's files. */
  readonly storeDir: string;
  readonly records: number;
  readonly samples: number;
}

export interface KnownBacklog extends Backlog {
  readonly payloadFile: string;
  readonly payloadBytes: number;
}

export interface Publish {
  readonly topic: string;
  readonly payload: Buffer;
}

const READ_AT_ONCE = 100;

/** At least so many records, by the outbox's own commits. */
export function makeBacklog(storeDir: string, records: number): Backlog {
  mkdirSync(storeDir);
  const seconds = Math.ceil(records / ASSETS) * PUBLISH_INTERVAL_S;
  const startMs = Date.now() - 1000 * seconds;
  const clock = new LoadClock(startMs);
  const outbox = openOutbox(join(storeDir, "outbox.db"), clock);
  const load = new Load(startMs);
  for (let second = 0; second < seconds; second++) {
    outbox.take(load.next());
    const seal = second % PUBLISH_INTERVAL_S === PUBLISH_INTERVAL_S - 1;
    if (!outbox.commit({ seal })) throw new Error(`no backlog: ${outbox.status().error}`);
    clock.pass(1000);
  }
  const { waiting } = outbox.status();
  outbox.close();
  return { storeDir, records: waiting, samples: seconds * SAMPLES_PER_SECOND };
}

/** The same, with its payloads in a file. */
export function makeKnownBacklog(dir: string, records: number): KnownBacklog {
  mkdirSync(dir);
  const backlog = makeBacklog(join(dir, "backlog"), records);
  const outbox = openOutbox(join(backlog.storeDir, "outbox.db"), new LoadClock(Date.now()));
  const payloadFile = join(dir, "payloads");
  const payloadBytes = writePayloads(outbox, payloadFile);
  outbox.close();
  return { ...backlog, payloadFile, payloadBytes };
}

/** Publishes as they would go out: u16 length and topic, u32 length and payload, little-endian, one after the other. */
function writePayloads(outbox: Outbox, path: string): number {
  const file = openSync(path, "w");
  const prefix = uplinkPrefix(GATEWAY);
  let payloadBytes = 0;
  let last: SealedRecord | undefined;
  do {
    const read = outbox.read("t", last, READ_AT_ONCE);
    last = read.at(-1);
    for (const { kind, asset, plain } of read) {
      const topic = Buffer.from(`${prefix}/${recordTopicTail(kind, asset)}`);
      const payload = plainFraming(plain);
      const lengths = [Buffer.alloc(2), Buffer.alloc(4)] as const;
      lengths[0].writeUInt16LE(topic.length);
      lengths[1].writeUInt32LE(payload.length);
      writeSync(file, Buffer.concat([lengths[0], topic, lengths[1], payload]));
      payloadBytes += payload.length;
    }
  } while (last !== undefined);
  closeSync(file);
  return payloadBytes;
}

export function readPayloads(path: string): Publish[] {
  const bytes = readFileSync(path);
  const publishes: Publish[] = [];
  for (let at = 0; at < bytes.length; ) {
    const topicEnd = at + 2 + bytes.readUInt16LE(at);
    const topic = bytes.toString("utf8", at + 2, topicEnd);
    at = topicEnd + 4 + bytes.readUInt32LE(topicEnd);
    publishes.push({ topic, payload: bytes.subarray(topicEnd + 4, at) });
  }
  return publishes;
}

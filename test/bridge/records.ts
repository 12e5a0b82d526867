/** Records for the bridge's unit tests. */
import type { Arrival } from "../../bridge/plan.ts";
import { type RecordKind, type Stream, sealRecord } from "../../core/record.ts";
import { recordTopicTail, uplinkPrefix } from "../../core/topics.ts";

export interface Made {
  readonly gw?: string;
  readonly k?: RecordKind;
  readonly epoch?: string;
  readonly c?: Stream;
  readonly seq: number;
  readonly t0?: number;
  readonly asset?: string;
  readonly body?: string;
}

export const EPOCH = "k3f9a1c2";

export function recordBytes({ gw = "gw-1", k = "data", epoch = EPOCH, c, seq, t0 = 1000, ...rest }: Made): Buffer {
  const { asset = "meter-1", body = '"g":[{"t":[0],"s":{"Power.Active.Import":[1]}}]' } = rest;
  const named = k === "gap" || k === "time" ? {} : { asset };
  const stream = c ?? (k === "data" ? "t" : "c");
  return sealRecord({ k, gw, ...named, epoch, c: stream, seq, boot: 1, sync: true, birth: "164043ef", t0 }, body);
}

/** As it comes from MQTT. */
export function arrival(made: Made): Arrival {
  const { gw = "gw-1", k = "data", asset = "meter-1" } = made;
  const tail = recordTopicTail(k, k === "gap" || k === "time" ? undefined : asset);
  return { topic: `${uplinkPrefix(gw)}/${tail}`, payload: recordBytes(made) };
}

export function gapBody(gap: { epoch?: string; c?: Stream; from: number | null; to: number | null }): string {
  const { epoch = EPOCH, c = "t", from, to } = gap;
  return `"gap":${JSON.stringify({ c, epoch, from, to, samples: null, reason: "full", t0: 0, t1: 0 })}`;
}

export function sessionBody(sid: string, rev: number): string {
  return `"session":${JSON.stringify({ sid, rev })}`;
}

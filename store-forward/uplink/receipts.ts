import { STREAMS, type Stream } from "../../core/record.ts";
import type { Receipt } from "./options.ts";

const EPOCH = /^[0-9a-z]{8}$/;

/** The receipt in a payload of `…/receipt`, or undefined: a topic that others can write may hold anything. */
export function parseReceipt(payload: Buffer): Receipt | undefined {
  const { epoch, upto } = parseObject(payload);
  if (typeof epoch !== "string" || !EPOCH.test(epoch) || typeof upto !== "object" || upto === null) return undefined;
  const marks: Partial<Record<Stream, number>> = {};
  for (const stream of STREAMS) {
    const seq = (upto as Record<string, unknown>)[stream] ?? 0;
    if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 0) return undefined;
    marks[stream] = seq;
  }
  return { epoch, upto: marks as Record<Stream, number> };
}

/** The members of a JSON object, or none for anything else. */
export function parseObject(payload: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(payload.toString("utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

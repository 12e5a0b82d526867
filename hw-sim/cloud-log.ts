/**
 * What the stand-in cloud has taken, one JSON line per publish: `{"ts":…,"topic":…,"qos":1,"retain":false,"dup":false,
 * "payload":"<base64>"}`. Written before the acknowledgement and without a buffer of ours, so that a SIGKILL loses
 * nothing that was acknowledged (a power cut may).
 */
import { closeSync, openSync, writeSync } from "node:fs";

export interface CloudPublish {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos?: number | undefined;
  readonly retain?: boolean | undefined;
  readonly dup?: boolean | undefined;
}

export class CloudLog {
  readonly #file: number;

  /** Appends to the file. Throws what `openSync` throws. */
  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  append({ topic, payload, qos = 0, retain = false, dup = false }: CloudPublish): void {
    const base64 = Buffer.from(payload).toString("base64");
    writeSync(this.#file, `${JSON.stringify({ ts: Date.now(), topic, qos, retain, dup, payload: base64 })}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

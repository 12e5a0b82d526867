/**
 * The load: a simulated CAN bus that writes one frame after the other, each stamped in the microsecond in which it is
 * written. `node bus.ts SOCKET RATE WARMUP_MS MEASURE_MS`; tells its parent `listening`, `connected`, and what it sent.
 */
import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { wallClockUs } from "../support/wall.ts";

export interface Sent {
  readonly fromUs: number;
  readonly toUs: number;
  /** Frames stamped from `fromUs` on, before `toUs`. */
  readonly frames: number;
  /** Of these, written while the reader's socket was full: they left later than their stamp says. */
  readonly blocked: number;
}

/** The timer's grain: at 4,000 frames a second four or five come at once. */
const TICK_MS = 1;
const [path = "", rateText, warmupText, measureText] = process.argv.slice(2);
const [framesPerS, warmupMs, measureMs] = [Number(rateText), Number(warmupText), Number(measureText)] as const;
const now = wallClockUs();

function line(stampUs: number, i: number): string {
  // 0x257 of the simulator's van: Speed in 12 bits from bit 12 on, 0.08 km/h from -40; another value in each frame.
  const raw = 500 + (i % 3000);
  const data = Buffer.alloc(8);
  data.writeUInt32LE(raw << 12);
  const us = String(stampUs).padStart(16, "0");
  return `(${us.slice(0, -6)}.${us.slice(-6)}) sim0 257#${data.toString("hex").toUpperCase()}\n`;
}

async function load(client: Socket, firstUs: number): Promise<Sent> {
  const fromUs = firstUs + warmupMs * 1000;
  const toUs = fromUs + measureMs * 1000;
  let [sent, frames, blocked] = [0, 0, 0];
  for (let nowUs = firstUs; nowUs < toUs; nowUs = now()) {
    const due = ((nowUs - firstUs) / 1e6) * framesPerS;
    for (; sent < due; sent++) {
      const stampUs = now();
      if (stampUs >= fromUs && stampUs < toUs) {
        frames++;
        if (client.writableLength > 0) blocked++;
      }
      client.write(line(stampUs, sent));
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  return { fromUs, toUs, frames, blocked };
}

rmSync(path, { force: true });
const server = createServer((client) => {
  client.on("error", () => undefined);
  process.send?.("connected");
  process.once("message", () => {
    void load(client, now()).then((sent) => process.send?.(sent));
  });
});
server.listen(path, () => process.send?.("listening"));

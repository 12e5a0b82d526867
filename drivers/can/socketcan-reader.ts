import type { Clock } from "../../core/clock.ts";
import type { CanFrame } from "./bus.ts";
import type { Message } from "./socketcan-addon.ts";
import type { ReceiveLoss } from "./socketcan-loss.ts";

type MutableFrame = { -readonly [Key in keyof CanFrame]: CanFrame[Key] };

export interface ReaderSetup {
  readonly clock: Clock;
  readonly loss: ReceiveLoss | undefined;
  readonly onFrame: (frame: CanFrame) => void;
  /** Takes what `onFrame` throws: the addon would end the process with it. */
  readonly onError: (error: unknown) => void;
}

/**
 * Turns the addon's messages into frames. The addon asks for stamps by SIOCGSTAMP, and the kernel starts to keep them
 * with the first such call: the first frame's stamp is the time of reading it, however long it had waited. So the first
 * is held until the next one that waited with it, whose stamp it cannot exceed, or until nothing else waits.
 */
export class FrameReader {
  readonly #setup: ReaderSetup;
  readonly #frame: MutableFrame = {
    id: 0,
    extended: false,
    fd: false,
    remote: false,
    error: false,
    data: new Uint8Array(0),
    tUs: 0,
  };
  #first: Message | undefined;
  #begun = false;

  constructor(setup: ReaderSetup) {
    this.#setup = setup;
  }

  take(message: Message): void {
    if (!this.#begun) {
      this.#begun = true;
      this.#first = message;
      setImmediate(() => this.#releaseFirst(Number.POSITIVE_INFINITY));
      return;
    }
    const stampUs = stampOf(message);
    if (this.#first !== undefined) this.#releaseFirst(stampUs ?? Number.POSITIVE_INFINITY);
    this.#deliver(message, stampUs);
  }

  /** What is still held stays here. */
  close(): void {
    this.#first = undefined;
  }

  #releaseFirst(latestUs: number): void {
    const first = this.#first;
    if (first === undefined) return;
    this.#first = undefined;
    const stampUs = stampOf(first);
    this.#deliver(first, stampUs === undefined ? undefined : Math.min(stampUs, latestUs));
  }

  #deliver(message: Message, stampUs: number | undefined): void {
    const { clock, loss, onFrame, onError } = this.#setup;
    const frame = this.#frame;
    frame.error = message.err === true;
    frame.id = message.id;
    frame.extended = message.ext === true;
    frame.remote = message.rtr === true;
    frame.data = message.data;
    // The addon does not tell; a longer frame can be nothing else.
    frame.fd = message.data.length > 8;
    frame.tUs = stampUs === undefined ? clock.wallUs() : clock.fromSystemUs(stampUs);
    if (stampUs !== undefined) loss?.saw(stampUs, frame.error);
    try {
      onFrame(frame);
    } catch (error) {
      onError(error);
    }
  }
}

/** Microseconds since 1970 on the system's clock. */
function stampOf({ ts_sec: seconds, ts_usec: micros }: Message): number | undefined {
  return seconds === undefined || micros === undefined ? undefined : seconds * 1_000_000 + micros;
}

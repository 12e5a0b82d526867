/** What every kind of CAN bus looks like to the driver. Reading only: there is no way to send. */
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import type { Loss } from "../driver.ts";

/** One frame. The object and its data belong to the bus and are valid only until the callback returns. */
export interface CanFrame {
  /** 11 or 29 bits; of an error frame the error class. */
  readonly id: number;
  readonly extended: boolean;
  readonly fd: boolean;
  readonly remote: boolean;
  readonly error: boolean;
  /** 0 to 64 bytes. */
  readonly data: Uint8Array;
  /** When it was received: microseconds since 1970 on the gateway's time base. */
  readonly tUs: number;
}

export interface FrameId {
  readonly id: number;
  readonly extended: boolean;
}

export interface CanBus {
  /**
   * Opens the bus and hands over its frames until `signal` aborts, then frees it and resolves. Rejects with BusbarError
   * BUS_MISSING, BUS_DENIED or BUS_CLOSED, all of them retryable.
   */
  run(onFrame: (frame: CanFrame) => void, signal: AbortSignal): Promise<void>;
}

export interface BusSetup {
  /** How messages call it: `can socketcan:can0`. */
  readonly label: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The frames that anybody wants; a bus that can leaves out the rest early. */
  readonly wanted: readonly FrameId[];
  /** Takes frames that the bus had and could not hand over. */
  readonly onLost: (loss: Loss) => void;
}

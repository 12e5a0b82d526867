/** A line to Modbus devices, as bytes: what serial ports and TCP connections have in common. */
import type { BusbarError } from "../../core/errors.ts";

export interface LinkEvents {
  /** The bytes are those of the moment: whoever wants to keep them copies them. */
  onBytes(bytes: Uint8Array): void;
  /** The port or connection is gone; nothing comes after this. Not called for `close()`. */
  onLost(error: BusbarError): void;
}

export interface Link {
  /** True: the memory of `bytes` may be used again at once. */
  write(bytes: Uint8Array): boolean;
  /** Throws away what the system still holds of bytes received; throws BusbarError when the device itself is gone. */
  flush(): Promise<void>;
  /** Frees the port; never throws. */
  close(): Promise<void>;
}

/**
 * What we use of the package socketcan 4.3.1 (src/can.d.ts and native/can.cc there; its own types lack the time stamps
 * and the event `onStopped`).
 */
export interface Message {
  /** Without flags; of an error frame the low 11 bits of its class. */
  readonly id: number;
  readonly ext?: boolean;
  readonly rtr?: boolean;
  readonly err?: boolean;
  readonly data: Uint8Array;
  readonly ts_sec?: number;
  readonly ts_usec?: number;
}

export interface RawChannel {
  addListener(event: "onMessage", callback: (message: Message) => void): void;
  addListener(event: "onStopped", callback: () => void): void;
  start(): void;
  stop(): void;
  setRxFilters(filters: readonly { readonly id: number; readonly mask: number }[]): void;
  setErrorFilters(mask: number): void;
}

export interface Addon {
  /** Throws `Error while creating channel` for whatever reason: the addon keeps errno to itself. */
  createRawChannel(channel: string, timestamps: boolean): RawChannel;
}

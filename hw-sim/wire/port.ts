/** Where a line meets the outside: a TCP port or a pseudo terminal. */

export interface Output {
  /** False: nobody is there any more, nothing was sent. */
  write(bytes: Uint8Array): boolean;
}

/** The line's side of one connection. */
export interface Channel {
  push(bytes: Uint8Array): void;
  close(): void;
}

export interface Port extends AsyncDisposable {
  /** `127.0.0.1:1502`, or the path of a terminal; stays the same over close and open. */
  readonly address: string;
  readonly isOpen: boolean;
  open(): Promise<void>;
  close(): Promise<void>;
}

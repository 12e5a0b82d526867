/**
 * A disk in memory behind the NBD protocol (fixed newstyle handshake, simple replies) that notes every write and flush
 * in the total order before it answers. It offers flush and nothing else: no FUA, no trim, so that all durability that
 * anybody asks for is a flush.
 */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { Order } from "./order.ts";

const MAGIC = Buffer.from("NBDMAGICIHAVEOPT");
const REPLY_MAGIC = 0x0003e889045565a9n;
const REQUEST_MAGIC = 0x25609513;
const SIMPLE_REPLY_MAGIC = 0x67446698;
/** Fixed newstyle, no zeroes after the export. */
const HANDSHAKE_FLAGS = 3;
const OPTION = { exportName: 1, abort: 2, info: 6, go: 7 } as const;
const REPLY = { ack: 1, info: 3, unsupported: 0x8000_0001 } as const;
const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3 } as const;
/** Flags are valid, flush is understood. */
const EXPORT_FLAGS = 1 | 4;
const EINVAL = 22;
const OPTION_BYTES = 16;
const REQUEST_BYTES = 28;

export class NbdServer {
  readonly #image: Buffer;
  readonly #order: Order;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** `image` is what lies on the disk now; it is changed in place. */
  constructor(image: Buffer, order: Order) {
    this.#image = image;
    this.#order = order;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async listen(socketPath: string): Promise<void> {
    this.#server.listen(socketPath);
    await once(this.#server, "listening");
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // The client is ended by force when a run fails; what it had asked then is of no interest.
    socket.on("error", () => socket.destroy());
    socket.write(Buffer.concat([MAGIC, Buffer.of(0, HANDSHAKE_FLAGS)]));
    const link = new NbdLink(this.#image, this.#order, socket);
    let rest: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let used = link.take(rest); used > 0; used = link.take(rest)) rest = rest.subarray(used);
    });
  }
}

class NbdLink {
  readonly #image: Buffer;
  readonly #order: Order;
  readonly #socket: Socket;
  #phase: "flags" | "options" | "requests" = "flags";

  constructor(image: Buffer, order: Order, socket: Socket) {
    this.#image = image;
    this.#order = order;
    this.#socket = socket;
  }

  /** Handles the first message in `bytes`; returns its length, 0 when it is not complete. */
  take(bytes: Buffer): number {
    if (this.#phase === "options") return this.#option(bytes);
    if (this.#phase === "requests") return this.#request(bytes);
    if (bytes.length < 4) return 0;
    this.#phase = "options";
    return 4;
  }

  #option(bytes: Buffer): number {
    if (bytes.length < OPTION_BYTES) return 0;
    const option = bytes.readUInt32BE(8);
    const length = OPTION_BYTES + bytes.readUInt32BE(12);
    if (bytes.length < length) return 0;
    if (option === OPTION.exportName) this.#socket.write(this.#describe());
    else if (option === OPTION.info || option === OPTION.go) {
      this.#answer(option, REPLY.info, Buffer.concat([Buffer.of(0, 0), this.#describe()]));
      this.#answer(option, REPLY.ack);
    } else this.#answer(option, option === OPTION.abort ? REPLY.ack : REPLY.unsupported);
    if (option === OPTION.exportName || option === OPTION.go) this.#phase = "requests";
    return length;
  }

  #describe(): Buffer {
    const bytes = Buffer.alloc(10);
    bytes.writeBigUInt64BE(BigInt(this.#image.length), 0);
    bytes.writeUInt16BE(EXPORT_FLAGS, 8);
    return bytes;
  }

  #answer(option: number, type: number, data: Buffer = Buffer.alloc(0)): void {
    const head = Buffer.alloc(20);
    head.writeBigUInt64BE(REPLY_MAGIC, 0);
    head.writeUInt32BE(option, 8);
    head.writeUInt32BE(type, 12);
    head.writeUInt32BE(data.length, 16);
    this.#socket.write(Buffer.concat([head, data]));
  }

  #request(bytes: Buffer): number {
    if (bytes.length < REQUEST_BYTES) return 0;
    if (bytes.readUInt32BE(0) !== REQUEST_MAGIC) {
      this.#socket.destroy(new Error("NBD client: no request where one must be"));
      return 0;
    }
    const command = bytes.readUInt16BE(6);
    const handle = bytes.subarray(8, 16);
    const offset = Number(bytes.readBigUInt64BE(16));
    const length = bytes.readUInt32BE(24);
    const end = REQUEST_BYTES + (command === COMMAND.write ? length : 0);
    if (bytes.length < end) return 0;
    if (command === COMMAND.disconnect) this.#socket.end();
    else if (command === COMMAND.flush) {
      this.#order.note({ kind: "flush" });
      this.#reply(handle, 0);
    } else if (offset + length > this.#image.length) this.#reply(handle, EINVAL);
    else if (command === COMMAND.read) this.#reply(handle, 0, this.#image.subarray(offset, offset + length));
    else if (command === COMMAND.write) this.#write(handle, offset, bytes.subarray(REQUEST_BYTES, end));
    else this.#reply(handle, EINVAL);
    return end;
  }

  #write(handle: Buffer, offset: number, bytes: Buffer): void {
    const data = Buffer.from(bytes);
    data.copy(this.#image, offset);
    this.#order.note({ kind: "write", offset, data });
    this.#reply(handle, 0);
  }

  #reply(handle: Buffer, error: number, data: Buffer = Buffer.alloc(0)): void {
    const head = Buffer.alloc(16);
    head.writeUInt32BE(SIMPLE_REPLY_MAGIC, 0);
    head.writeUInt32BE(error, 4);
    handle.copy(head, 8);
    // Copied: the image may change before the socket has taken it.
    this.#socket.write(Buffer.concat([head, data]));
  }
}

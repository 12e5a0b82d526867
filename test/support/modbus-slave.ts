/**
 * A Modbus slave for tests that builds its frames by hand and shares nothing with the driver. It serves TCP connections
 * (Modbus TCP, or RTU frames), and a pty through socat; faults are asked for before each reply.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./wait.ts";

export interface SlaveRequest {
  readonly unit: number;
  readonly fc: number;
  readonly at: number;
  readonly words: number;
  readonly atMs: number;
}

export type Fault =
  | { readonly kind: "silent" }
  | { readonly kind: "late"; readonly ms: number }
  /** The reply comes right before that to the next request: the worst moment for a late one. */
  | { readonly kind: "held" }
  | { readonly kind: "exception"; readonly code: number }
  /** One bit of the reply is flipped after its checksum was made. */
  | { readonly kind: "garbled" }
  | { readonly kind: "wrong-unit" }
  | { readonly kind: "wrong-transaction" }
  /** The reply comes in pieces of this many bytes. */
  | { readonly kind: "pieces"; readonly bytes: number; readonly everyMs?: number }
  /** Only the first bytes of the reply come. */
  | { readonly kind: "cut"; readonly bytes: number }
  /** These bytes stand before and behind the reply. */
  | { readonly kind: "noise"; readonly hex: string }
  | { readonly kind: "hang-up" };

export class ModbusSlave {
  /** Words by unit, function code and address: `words.set("1:4:52", 0x4348)`. What is not there is exception 2. */
  readonly words = new Map<string, number>();
  readonly requests: SlaveRequest[] = [];
  fault: (request: SlaveRequest) => Fault | undefined = () => undefined;
  /** Units that answer; others are silent. */
  readonly units = new Set<number>([1]);
  readonly #mbap: boolean;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #held: Buffer | undefined;

  constructor(framing: "tcp" | "rtu") {
    this.#mbap = framing === "tcp";
    this.#server = createServer((socket) => this.#serve(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async listen(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  set(unit: number, fc: number, at: number, ...words: number[]): void {
    for (const [i, word] of words.entries()) this.words.set(`${unit}:${fc}:${at + i}`, word);
  }

  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.hangUp();
    this.#server.close();
    await once(this.#server, "close");
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket)).on("error", () => {});
    // Small pieces would wait for the acknowledgement of the one before, which takes its time.
    socket.setNoDelay(true);
    let buffer = Buffer.alloc(0);
    const length = this.#mbap ? 12 : 8;
    socket.on("data", (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      // Read requests have one length.
      for (; buffer.length >= length; buffer = buffer.subarray(length))
        this.#answer(buffer.subarray(0, length), socket);
    });
  }

  #answer(frame: Buffer, socket: Socket): void {
    const pdu = this.#mbap ? frame.subarray(6) : frame;
    if (!this.#mbap && frame.readUInt16LE(6) !== slaveCrc(frame.subarray(0, 6))) return;
    const [unit, fc] = [pdu[0]!, pdu[1]!];
    const [at, words] = [pdu.readUInt16BE(2), pdu.readUInt16BE(4)];
    const request = { unit, fc, at, words, atMs: performance.now() };
    this.requests.push(request);
    const fault = this.fault(request);
    if (!this.units.has(unit) || fault?.kind === "silent") return;
    if (fault?.kind === "hang-up") return void socket.destroy();
    const transaction = (this.#mbap ? frame.readUInt16BE(0) : 0) ^ (fault?.kind === "wrong-transaction" ? 0x8000 : 0);
    const from = fault?.kind === "wrong-unit" ? unit + 1 : unit;
    const body = fault?.kind === "exception" ? [fc | 0x80, fault.code] : this.#bodyOf(request);
    const reply = this.#frame(Buffer.from([from, ...body]), transaction);
    if (this.#held !== undefined) socket.write(this.#held);
    this.#held = fault?.kind === "held" ? reply : undefined;
    if (this.#held === undefined) this.#send(socket, reply, fault);
  }

  #bodyOf({ unit, fc, at, words }: SlaveRequest): number[] {
    const body = [fc, 2 * words];
    for (let i = 0; i < words; i++) {
      const word = this.words.get(`${unit}:${fc}:${at + i}`);
      if (word === undefined) return [fc | 0x80, 2];
      body.push(word >> 8, word & 0xff);
    }
    return body;
  }

  #frame(adu: Buffer, transaction: number): Buffer {
    if (!this.#mbap) {
      const crc = slaveCrc(adu);
      return Buffer.concat([adu, Buffer.from([crc & 0xff, crc >> 8])]);
    }
    return Buffer.concat([Buffer.from([transaction >> 8, transaction & 0xff, 0, 0, 0, adu.length]), adu]);
  }

  #send(socket: Socket, reply: Buffer, fault: Fault | undefined): void {
    if (fault?.kind === "garbled") reply[reply.length - 3]! ^= 0x10;
    if (fault?.kind === "late") this.#later(fault.ms, () => socket.write(reply));
    else if (fault?.kind === "cut") socket.write(reply.subarray(0, fault.bytes));
    else if (fault?.kind === "noise") {
      const noise = Buffer.from(fault.hex, "hex");
      socket.write(Buffer.concat([noise, reply, noise]));
    } else if (fault?.kind === "pieces") {
      this.#inPieces(reply, socket, fault);
    } else socket.write(reply);
  }

  /** One after the other: timers that are late do not come in the order of their times. */
  #inPieces(reply: Buffer, socket: Socket, { bytes, everyMs = 3 }: Extract<Fault, { kind: "pieces" }>): void {
    socket.write(reply.subarray(0, bytes));
    const rest = reply.subarray(bytes);
    if (rest.length > 0) this.#later(everyMs, () => this.#inPieces(rest, socket, { kind: "pieces", bytes, everyMs }));
  }

  #later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }
}

/** CRC-16/MODBUS over a polynomial in normal notation and mirrored bits: another way than the driver's. */
export function slaveCrc(bytes: Uint8Array): number {
  const mirror = (value: number, bits: number) => {
    let out = 0;
    for (let i = 0; i < bits; i++) out |= ((value >> i) & 1) << (bits - 1 - i);
    return out;
  };
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= mirror(byte, 8) << 8;
    for (let i = 0; i < 8; i++) crc = ((crc & 0x8000) !== 0 ? (crc << 1) ^ 0x8005 : crc << 1) & 0xffff;
  }
  return mirror(crc, 16);
}

/** The two words of a float32. */
export function f32(value: number): [number, number] {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatBE(value);
  return [bytes.readUInt16BE(0), bytes.readUInt16BE(2)];
}

/** A pty whose other end is a TCP port: a serial line to a slave that speaks RTU over TCP. */
export class SerialBridge {
  readonly path: string;
  readonly #folder: string;
  readonly #port: number;
  #socat: ChildProcess | undefined;

  constructor(port: number) {
    this.#port = port;
    this.#folder = mkdtempSync(join(tmpdir(), "busbar-pty-"));
    this.path = join(this.#folder, "tty");
  }

  async plug(): Promise<this> {
    const arguments_ = [`pty,raw,echo=0,link=${this.path}`, `tcp:127.0.0.1:${this.#port},nodelay`];
    this.#socat = spawn("socat", arguments_, { stdio: "ignore" });
    await until("the pty", () => existsSync(this.path), 3000);
    return this;
  }

  /** The cable is pulled: the port hangs up and its name is gone. */
  async unplug(): Promise<void> {
    const socat = this.#socat;
    this.#socat = undefined;
    if (socat === undefined || socat.exitCode !== null) return;
    socat.kill();
    await once(socat, "exit");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unplug();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A disk for a guest, over NBD, that loses on a power cut what nobody had flushed (see test/powercut). */
import { join } from "node:path";
import type { Random } from "../../hw-sim/random.ts";
import { CutDisk, type Survival } from "../powercut/cut.ts";
import { NbdServer } from "../powercut/nbd-server.ts";
import { type Entry, Order } from "../powercut/order.ts";

/** Tells of every write, before it is answered. */
class WatchedOrder extends Order {
  onWrite: () => void = () => {};

  override note(entry: Entry): void {
    super.note(entry);
    if (entry.kind === "write") this.onWrite();
  }
}

export class ForgetfulDisk implements AsyncDisposable {
  readonly #before: Buffer;
  readonly #order = new WatchedOrder();
  readonly #server: NbdServer;
  readonly #socket: string;

  private constructor(image: Buffer, socket: string) {
    this.#before = Buffer.from(image);
    this.#socket = socket;
    this.#server = new NbdServer(image, this.#order);
  }

  /** `image` is changed in place; `dir` is for the socket. */
  static async plugIn(image: Buffer, dir: string, name: string): Promise<ForgetfulDisk> {
    const disk = new ForgetfulDisk(image, join(dir, `${name}.sock`));
    await disk.#server.listen(disk.#socket);
    return disk;
  }

  /** For QEMU; its own cache passes every flush on. */
  get device(): string[] {
    return ["-drive", `if=virtio,format=raw,cache=writeback,file=nbd+unix:///?socket=${this.#socket}`];
  }

  /** Calls back once, in the middle of the next write: nobody has flushed it yet. */
  onNextWrite(then: () => void): void {
    this.#order.onWrite = () => {
      this.#order.onWrite = () => {};
      then();
    };
  }

  /** What is on it after the mains have failed, in a new buffer. */
  afterCut(survival: Survival, random: Random): { readonly image: Buffer; readonly unflushed: number } {
    const { entries } = this.#order;
    const cut = new CutDisk(this.#before, entries, "honoured");
    cut.advance(entries.length);
    for (const { offset, data } of cut.survivors(survival, random)) data.copy(cut.durable, offset);
    const lastFlush = entries.findLastIndex(({ kind }) => kind === "flush");
    return { image: cut.durable, unflushed: entries.length - 1 - lastFlush };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
  }
}

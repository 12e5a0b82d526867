/** One simulated Modbus unit: words for requests, and what these words mean. */
import { type Block, decodeRegister, encodeRegister, type Register, type Value, wordsOf } from "./registers.ts";

export type Signals = Readonly<Record<string, Value>>;

export interface Words {
  readonly bytes: Uint8Array;
  readonly signals: Signals;
}

/** What a line serves. */
export interface Unit {
  /** Values stop changing, as in a device whose measuring part hangs. */
  frozen: boolean;
  /** What stands at `at` now; undefined where not all of it is there (exception 2). */
  read(fc: 3 | 4, at: number, words: number): Words | undefined;
}

interface Placed<Model> {
  readonly register: Register<Model>;
  readonly offset: number;
  readonly words: number;
}

interface Image<Model> {
  readonly block: Block;
  readonly view: DataView<ArrayBuffer>;
  readonly registers: readonly Placed<Model>[];
}

export interface UnitOptions<Model> {
  readonly blocks: readonly Block[];
  readonly registers: readonly Register<Model>[];
  readonly model: Model;
}

export class ModbusUnit<Model> implements Unit {
  readonly #model: Model;
  readonly #images: readonly Image<Model>[];
  #frozen = false;

  constructor({ blocks, registers, model }: UnitOptions<Model>) {
    this.#model = model;
    this.#images = blocks.map((block) => ({
      block,
      view: new DataView(new ArrayBuffer(2 * block.words)),
      registers: registers.filter((register) => isWithin(register, block)).map((register) => place(register, block)),
    }));
  }

  set frozen(frozen: boolean) {
    if (frozen && !this.#frozen) for (const image of this.#images) this.#refresh(image);
    this.#frozen = frozen;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  read(fc: 3 | 4, at: number, words: number): Words | undefined {
    const image = this.#images.find(({ block }) => {
      return block.fc === fc && at >= block.at && at + words <= block.at + block.words;
    });
    if (image === undefined) return undefined;
    if (!this.#frozen) this.#refresh(image);
    const from = 2 * (at - image.block.at);
    const bytes = new Uint8Array(image.view.buffer).slice(from, from + 2 * words);
    return { bytes, signals: meaningOf(image.registers, bytes, from) };
  }

  #refresh({ view, registers }: Image<Model>): void {
    for (const { register, offset } of registers) encodeRegister(register, this.#model, view, offset);
  }
}

/** Every register that lies wholly within the bytes, decoded from these very bytes. */
function meaningOf<Model>(registers: readonly Placed<Model>[], bytes: Uint8Array<ArrayBuffer>, from: number): Signals {
  const view = new DataView(bytes.buffer);
  const signals: Record<string, Value> = {};
  for (const { register, offset, words } of registers) {
    if (offset < from || offset + 2 * words > from + bytes.length) continue;
    const value = decodeRegister(register, view, offset - from);
    if (value !== undefined) signals[register.name] = value;
  }
  return signals;
}

function isWithin<Model>(register: Register<Model>, block: Block): boolean {
  return (
    register.fc === block.fc && register.at >= block.at && register.at + wordsOf(register) <= block.at + block.words
  );
}

function place<Model>(register: Register<Model>, block: Block): Placed<Model> {
  return { register, offset: 2 * (register.at - block.at), words: wordsOf(register) };
}

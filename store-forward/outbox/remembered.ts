/** Tables that every commit asks. They are small, and their only writer is here: what was read is remembered. */
import type { Stream } from "../../core/record.ts";
import type { DbFile } from "./db-file.ts";
import type { GapRow, MarkRow } from "./schema.ts";
import type { Statement } from "./sqlite.ts";

type File = Pick<DbFile, "prepare" | "run">;

export class Marks {
  readonly #file: File;
  readonly #set: Statement<[number, string, number, number], never>;
  readonly #all: Statement<[], MarkRow>;
  #known: readonly MarkRow[] | undefined;
  #text: string | undefined;

  constructor(file: File) {
    this.#file = file;
    this.#set = file.prepare("INSERT OR REPLACE INTO mark VALUES(?,?,?,?)");
    this.#all = file.prepare("SELECT * FROM mark ORDER BY epoch, stream");
  }

  all(): readonly MarkRow[] {
    this.#known ??= this.#all.all();
    return this.#known;
  }

  /** All of them as text. */
  get text(): string {
    this.#text ??= JSON.stringify(this.all());
    return this.#text;
  }

  at(epoch: number, stream: Stream): MarkRow | undefined {
    return this.all().find((mark) => mark.epoch === epoch && mark.stream === stream);
  }

  set({ epoch, stream, next, acked }: MarkRow): void {
    this.forget();
    this.#file.run(this.#set, epoch, stream, next, acked);
  }

  forget(): void {
    this.#known = undefined;
    this.#text = undefined;
  }
}

export class Gaps {
  readonly #file: File;
  readonly #put: Statement<(string | number | null)[], never>;
  readonly #all: Statement<[], GapRow>;
  readonly #drop: Statement<[number], never>;
  #known: readonly GapRow[] | undefined;

  constructor(file: File) {
    this.#file = file;
    this.#put = file.prepare("INSERT OR REPLACE INTO gap VALUES(?,?,?,?,?,?,?,?,?,?)");
    this.#all = file.prepare("SELECT * FROM gap ORDER BY id");
    this.#drop = file.prepare("DELETE FROM gap WHERE id = ?");
  }

  all(): readonly GapRow[] {
    this.#known ??= this.#all.all();
    return this.#known;
  }

  /** A new one (id null) or another state of a known one. */
  put(gap: Omit<GapRow, "id"> & { readonly id: number | null }): void {
    const { id, stream, epoch, seq_from, seq_to, samples, reason, t0, t1, since_ms } = gap;
    this.#known = undefined;
    this.#file.run(this.#put, id, stream, epoch, seq_from, seq_to, samples, reason, t0, t1, since_ms);
  }

  drop(id: number): void {
    this.#known = undefined;
    this.#file.run(this.#drop, id);
  }

  forget(): void {
    this.#known = undefined;
  }
}

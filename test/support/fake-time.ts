/** The system clock of one real process, moved while it runs: libfaketime (Debian's package `faketime`), no root. */
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LIBRARY = "faketime/libfaketimeMT.so.1";

/** The library, or undefined where it is not installed. */
function findLibrary(): string | undefined {
  const roots = ["/usr/lib", ...readdirSync("/usr/lib").map((name) => join("/usr/lib", name))];
  return roots.map((root) => join(root, LIBRARY)).find((path) => existsSync(path));
}

/** Why a test that needs it is skipped; false where it is not. */
export const NO_FAKE_TIME = findLibrary() === undefined && "libfaketime is not installed (apt-get install faketime)";

export class FakeTime {
  readonly #dir = mkdtempSync(join(tmpdir(), "busbar-faketime-"));
  readonly #file = join(this.#dir, "offset");

  /** `offset` against true time: `-20y`, `-3600`, `+0`. */
  constructor(offset: string) {
    this.set(offset);
  }

  /** Environment of the process whose clock this is. Monotonic time is true. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: findLibrary() ?? "",
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
  }

  set(offset: string): void {
    writeFileSync(`${this.#file}.new`, `${offset}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
